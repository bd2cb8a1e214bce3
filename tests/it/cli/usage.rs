//! Mistakes on the command line: the exit code, and a message that says what to do.

use super::{expect, fails};
use crate::harness::program::{Printed, ecom, run};

#[test]
fn what_is_unknown_is_usage_and_something_near_is_suggested() {
    fails(&["frobnicate"], 2, "unrecognized subcommand 'frobnicate'");
    fails(&["serv"], 2, "a similar subcommand exists: 'serve'");
    fails(&["serve", "--prot-base", "1"], 2, "a similar argument exists: '--port-base'");
    fails(&["dlq", "replay", "--dryrun"], 2, "a similar argument exists: '--dry-run'");
    fails(&["topics", "lst"], 2, "a similar subcommand exists: 'list'");
    fails(&["topics", "tail"], 2, "<TOPIC>");
    fails(&["dlq", "show"], 2, "<ID>");
    fails(&["simulate", "extra"], 2, "unexpected argument 'extra'");
    fails(&["config", "show", "-o", "xml"], 2, "unexpected argument '-o'");
    fails(&["topics", "list", "-o", "xml"], 2, "[possible values: text, json]");
}

#[test]
fn a_wrong_value_names_its_flag_and_what_is_right() {
    let cases: [(&[&str], &str); 33] = [
        (&["simulate", "--users", "0"], "'--users <USERS>': 0 is not in 1..=1000000"),
        (&["simulate", "--users", "1000001"], "is not in 1..=1000000"),
        (&["simulate", "--users", "abc"], "'--users <USERS>'"),
        (&["simulate", "--users=-1"], "'--users <USERS>'"),
        (&["simulate", "--users", "1.5"], "'--users <USERS>'"),
        (&["simulate", "--sellers", "abc"], "'--sellers <SELLERS>'"),
        (&["simulate", "--sellers", "18446744073709551615"], "is not in 0..=100000"),
        (&["simulate", "--duration", "5"], "write 3m, 1h 30m, 250ms or 7d"),
        (&["simulate", "--duration", "99999999999999999999d"], "'--duration <TIME>'"),
        (&["simulate", "--rate", "0"], "--rate must be above 0"),
        (&["simulate", "--rate", "NaN"], "--rate must be above 0"),
        (&["simulate", "--rate", "1", "--duration", "1s"], "cannot be used with"),
        (&["simulate", "--think-scale=-1"], "--think-scale must be between 0 and 1000"),
        (&["simulate", "--think-scale", "inf"], "--think-scale must be between 0 and 1000"),
        (&["simulate", "--seed", "abc"], "'--seed <SEED>'"),
        (
            &["simulate", "--payment-success", "2"],
            "'--payment-success <SHARE>': must be a number from 0 to 1",
        ),
        (&["simulate", "--payment-success=-0.1"], "must be a number from 0 to 1"),
        (
            &["simulate", "--ambiguous", "NaN"],
            "'--ambiguous <SHARE>': must be a number from 0 to 1",
        ),
        (&["simulate", "--products", "many"], "'--products <N>'"),
        (&["simulate", "--target", "ftp://x"], "write http://HOST:PORT for a gateway"),
        (&["simulate", "--target", "http://x", "--virtual"], "cannot be used with"),
        (&["simulate", "--keep", "--virtual"], "cannot be used with"),
        (&["simulate", "--max-p99", "fast"], "write 3m, 1h 30m, 250ms or 7d"),
        (&["simulate", "-o", "yaml"], "[possible values: text, json]"),
        (&["serve", "--port-base", "99999"], "99999 is not in 0..=65535"),
        (
            &["serve", "--port-base", "65533"],
            "--port-base: serve.port_base: leave room for five more ports",
        ),
        (&["serve", "--listen", "here"], "--listen: serve.listen: invalid IP address"),
        (&["serve", "--listen", "0.0.0.0"], "a public address needs serve.admin = false"),
        (&["serve", "--products", "99999999999999999999"], "'--products <N>'"),
        (&["config", "show", "--log-format", "xml"], "expected one of `auto`, `human`, `json`"),
        (
            &["config", "show", "--log-level", "a=b=c"],
            "--log-level: log.level: \"a=b=c\" is no log filter",
        ),
        (&["dlq", "replay", "--rate", "fast"], "'--rate <N>'"),
        (
            &["gateway", "set", "--success", "1.1"],
            "'--success <SHARE>': must be a number from 0 to 1",
        ),
    ];
    for (args, says) in cases {
        fails(args, 2, says);
    }
}

#[test]
fn a_wrong_setting_names_its_file_and_line_or_its_variable() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let cases = [
        (write("syntax.toml", "[serve]\nport_base = \n"), "syntax: TOML parse error at line 2"),
        (
            write("section.toml", "[sevre]\nport_base = 1\n"),
            "sevre.port_base: there is no such setting; did you mean serve.port_base?",
        ),
        (write("key.toml", "[serve]\nport_bse = 1\n"), "did you mean serve.port_base?"),
        (write("other.toml", "[serve]\ncompletely_else = 1\n"), "`ecom config show` lists all"),
        (
            write("type.toml", "[serve]\nport_base = \"8000\"\n"),
            "serve.port_base: must be of type integer, not string",
        ),
        (write("value.toml", "[gateway]\nsuccess = 1.5\n"), "success must be between 0 and 1"),
        (
            write("range.toml", "[delivery]\npartitions = 0\n"),
            "delivery.partitions: must be between 1 and 1000",
        ),
        (
            write("time.toml", "[shop]\nhold_ttl = \"soon\"\n"),
            "shop.hold_ttl: \"soon\" is no span of time",
        ),
        (
            write("level.toml", "[log]\nlevel = \"a=b=c\"\n"),
            "log.level: \"a=b=c\" is no log filter",
        ),
        (
            folder.path().join("none.toml").to_str().unwrap().to_owned(),
            "cannot be read: No such file",
        ),
        (folder.path().to_str().unwrap().to_owned(), "cannot be read: Is a directory"),
    ];
    for (file, says) in &cases {
        for command in [&["config", "show"][..], &["serve"], &["topics", "list"]] {
            let args = [&["--config", file], command].concat();
            let ran = run(&args);
            assert!(ran.err().contains(file.as_str()), "{}", ran.err());
            expect(&ran, &args, 2, says);
        }
    }
    let variables = [
        ("ECOM_SERVE_PORT_BASE", "many", "serve.port_base: must be of type integer"),
        ("ECOM_SERVE_PORT_BASE", "70000", "serve.port_base"),
        ("ECOM_GATEWAY_SUCCESS", "2", "success must be between 0 and 1"),
        ("ECOM_SHOP_HOLD_TTL", "3", "shop.hold_ttl: \"3\" is no span of time"),
        ("ECOM_SERVE_ADMIN", "yes", "serve.admin: must be of type boolean"),
        ("ECOM_LOG_FORMAT", "xml", "expected one of"),
    ];
    for (name, value, says) in variables {
        let ran = ecom().args(["config", "show"]).env(name, value).output().unwrap();
        assert!(ran.err().contains(&format!("${name}")), "{}", ran.err());
        expect(&ran, &[name, value], 2, says);
    }
}

#[test]
fn a_folder_that_cannot_be_used_is_told_with_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let (file, none) = (folder.path().join("file"), folder.path().join("none"));
    std::fs::write(&file, "x").unwrap();
    let (file, none) = (file.to_str().unwrap(), none.to_str().unwrap());
    // Not even root can make a folder in /proc.
    for unusable in [file, "/proc/ecom"] {
        fails(&["serve", "--port-base", "0", "--data", unusable], 1, "name another with --data");
        fails(
            &["simulate", "-q", "--users", "1", "--data", unusable],
            1,
            "name another with --data",
        );
    }
    for empty in [file, none, folder.path().to_str().unwrap()] {
        for command in [&["topics", "list"][..], &["dlq", "list"], &["gateway", "show"]] {
            let args = [command, &["--data", empty]].concat();
            fails(
                &args,
                4,
                "holds no shop; start one with `ecom serve`, or name its folder with --data",
            );
        }
        fails(&["verify", "--data", empty], 4, "holds no shop; name its folder with --data");
    }
    assert!(!std::path::Path::new(none).exists(), "looking makes no folder");
}
