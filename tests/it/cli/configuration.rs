//! Where settings come from, and which one wins.

use std::path::Path;
use std::process::Command;

use crate::harness::program::{Printed, ecom, run};

/// The value and the origin of a setting in the output of `ecom config show --origin`.
fn setting(shown: &str, key: &str) -> (String, String) {
    let line = shown.lines().find(|line| line.split_whitespace().next() == Some(key)).unwrap();
    let (value, origin) = line.split_once(" = ").unwrap().1.split_once('#').unwrap();
    (value.trim().to_owned(), origin.trim().to_owned())
}

fn show(command: &mut Command) -> String {
    let ran = command.args(["config", "show", "--origin"]).output().unwrap();
    assert_eq!(ran.code(), 0, "{}", ran.err());
    ran.out()
}

fn put(path: &Path, level: &str) -> String {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, format!("[log]\nlevel = \"{level}\"\n")).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn flags_win_over_variables_over_project_over_user_over_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    let (home, below) = (folder.join("home"), folder.join("project/deep/down"));
    std::fs::create_dir_all(&below).unwrap();
    let in_project = || {
        let mut command = ecom();
        command.env("XDG_CONFIG_HOME", &home).current_dir(&below);
        command
    };
    let level = |command: &mut Command| setting(&show(command), "log.level");
    let is = |value: &str, origin: &str| (format!("\"{value}\""), origin.to_owned());
    assert_eq!(level(&mut in_project()), is("info", "default"));
    let user = put(&home.join("ecom/config.toml"), "error");
    assert_eq!(level(&mut in_project()), is("error", &user));
    let project = put(&folder.join("project/ecom.toml"), "warn");
    assert_eq!(level(&mut in_project()), is("warn", &project), "found above the working folder");
    let with_variable = || {
        let mut command = in_project();
        command.env("ECOM_LOG_LEVEL", "debug");
        command
    };
    assert_eq!(level(&mut with_variable()), is("debug", "$ECOM_LOG_LEVEL"));
    let all = show(with_variable().args(["--log-level", "trace"]));
    assert_eq!(setting(&all, "log.level"), is("trace", "--log-level"));
    assert_eq!(setting(&all, "serve.port_base"), ("8000".to_owned(), "default".to_owned()));
    let given = put(&folder.join("given.toml"), "off");
    assert_eq!(
        level(in_project().args(["--config", &given])),
        is("off", &given),
        "instead of the usual places"
    );
    assert_eq!(level(in_project().env("ECOM_CONFIG", &given)), is("off", &given));
}

#[test]
fn a_project_ends_at_its_repository() {
    let folder = tempfile::tempdir().unwrap();
    put(&folder.path().join("ecom.toml"), "warn");
    let inside = folder.path().join("repository/src");
    std::fs::create_dir_all(folder.path().join("repository/.git")).unwrap();
    std::fs::create_dir_all(&inside).unwrap();
    let shown = show(ecom().current_dir(&inside));
    assert_eq!(setting(&shown, "log.level").1, "default");
}

#[test]
fn every_setting_is_shown_once_and_can_be_read_back() {
    let shown = run(&["config", "show"]).out();
    let keys: Vec<&str> = shown.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(keys.len() > 25 && keys.is_sorted(), "{keys:?}");
    assert!(!shown.contains('#'), "origins only where asked for");
    let secret = |key: &&str| ["token", "secret", "password"].iter().any(|word| key.contains(word));
    let secrets =
        shown.lines().filter(|line| line.split(" =").next().is_some_and(|key| secret(&key)));
    assert!(secrets.clone().count() >= 2);
    assert!(secrets.clone().all(|line| line.ends_with("  \"\"")), "none is built in");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("again.toml");
    std::fs::write(&file, &shown).unwrap();
    let again = run(&["--config", file.to_str().unwrap(), "config", "show"]);
    assert_eq!((again.code(), again.out()), (0, shown.clone()), "{}", again.err());
    std::fs::write(&file, run(&["config", "template"]).out()).unwrap();
    let template = run(&["--config", file.to_str().unwrap(), "config", "show"]);
    assert_eq!((template.code(), template.out()), (0, shown), "{}", template.err());
}

#[test]
fn secrets_are_masked_and_may_be_in_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "t0p-s3cret\n").unwrap();
    let file = file.to_str().unwrap();
    let is = |origin: &str| ("\"***\"".to_owned(), origin.to_owned());
    let plain = show(ecom().env("ECOM_GATEWAY_SECRET", "t0p-s3cret"));
    assert_eq!(setting(&plain, "gateway.secret"), is("$ECOM_GATEWAY_SECRET"));
    let filed = show(ecom().env("ECOM_GATEWAY_WEBHOOK_SECRET_FILE", file));
    let origin = "$ECOM_GATEWAY_WEBHOOK_SECRET_FILE";
    assert_eq!(setting(&filed, "gateway.webhook_secret"), is(origin));
    assert!(!plain.contains("t0p") && !filed.contains("t0p"));
    let refused = |variables: &[(&str, &str)], says: &str| {
        let mut command = ecom();
        let ran = command.args(["config", "show"]).envs(variables.iter().copied()).output();
        let ran = ran.unwrap();
        assert_eq!(ran.code(), 2, "{}", ran.err());
        assert!(ran.err().contains(says) && !ran.err().contains("t0p"), "{}", ran.err());
    };
    refused(&[("ECOM_GATEWAY_SECRET", "***")], "gateway.secret: is what is shown instead");
    refused(&[("ECOM_GATEWAY_SECRET", "t0p s3cret")], "must be printable ASCII without spaces");
    refused(&[("ECOM_GATEWAY_SECRET_FILE", "/none")], "$ECOM_GATEWAY_SECRET_FILE: gateway.secret");
    let both = [("ECOM_GATEWAY_SECRET_FILE", file), ("ECOM_GATEWAY_SECRET", "t0p-s3cret")];
    refused(&both, "is set by $ECOM_GATEWAY_SECRET too; keep one of them");
    refused(&[("ECOM_GATEWAY_URL", "https://pay")], "gateway.url: must be a URL such as http://");
    refused(&[("ECOM_GATEWAY_REQUEST_TIMEOUT", "0s")], "must be from 1ms to 15m");
}

#[test]
fn every_setting_has_a_variable() {
    let shown = run(&["config", "show"]).out();
    for line in shown.lines() {
        let (key, value) = line.split_once(" = ").unwrap();
        let (key, value) = (key.trim(), value.trim().trim_matches('"'));
        let name = format!("ECOM_{}", key.replace('.', "_").to_uppercase());
        let one = show(ecom().env(&name, value));
        assert_eq!(setting(&one, key).1, format!("${name}"));
    }
}
