//! `ecom gateway serve`, and the commands that reach it.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;

use serde_json::Value as Json;

use super::{expect, fails};
use crate::harness::program::{Printed, Served, ecom, run};

fn start(data: &Path, more: &[&str]) -> Served {
    Served::provider(ecom(), data, more).unwrap()
}

/// Fails with this code and one line that says this.
#[track_caller]
fn says(args: &[&str], code: i32, what: &str) {
    let ran = run(args);
    expect(&ran, args, code, what);
    assert_eq!(ran.err().lines().count(), 1, "{}", ran.err());
}

#[test]
fn what_it_cannot_be_started_with_is_said_in_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (empty, odd, none, data) = (path("empty"), path("odd"), path("none"), path("data"));
    std::fs::write(&empty, "\n").unwrap();
    std::fs::write(&odd, "two words").unwrap();
    let begin = ["gateway", "serve", "--data", &data];
    let cases: [(&[&str], &str); 9] = [
        (&["--listen", "0.0.0.0"], "--listen 0.0.0.0: a public address needs a secret"),
        (&["--listen", "::"], "name its file with --secret-file"),
        (&["--secret-file", &none], "none: No such file"),
        (
            &["--secret-file", folder.path().to_str().unwrap()],
            "--secret-file: cannot read the secret",
        ),
        (&["--secret-file", &empty], "empty must be printable ASCII"),
        (&["--secret-file", &odd], "odd must be printable ASCII without spaces"),
        (&["--webhook", "http://127.0.0.1:1"], "messages are signed; set gateway.webhook_secret"),
        (&["--listen", "here"], "invalid value 'here' for '--listen <IP>'"),
        (&["--port", "70000"], "70000 is not in 0..=65535"),
    ];
    for (more, what) in cases {
        let args = [&begin, more].concat();
        // The parser's own words go over more lines.
        if what.contains('\'') || what.contains("..=") {
            fails(&args, 2, what);
        } else {
            says(&args, 2, what);
        }
    }
    let mut command = ecom();
    command.args(["gateway", "serve", "--data", &data, "--webhook", "https://shop"]);
    let ran = command.env("ECOM_GATEWAY_WEBHOOK_SECRET", "w3bhook").output().unwrap();
    expect(&ran, &["--webhook"], 2, "--webhook https://shop: must be a URL such as http://");
    assert!(!Path::new(&data).exists(), "nothing was begun");
}

#[test]
fn a_port_or_a_folder_in_use_is_named_with_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let data = folder.path().join("provider");
    let data = data.to_str().unwrap();
    let text = format!("cannot listen on 127.0.0.1:{port}: ");
    says(&["gateway", "serve", "--port", &port, "--data", data], 1, &text);
    let provider = start(Path::new(data), &[]);
    let owner =
        format!("in use by another ecom process (pid {}, {})", provider.pid(), provider.gateway());
    fails(&["gateway", "serve", "--port", "0", "--data", data], 7, &owner);
    let shop = folder.path().join("shop");
    std::fs::create_dir(&shop).unwrap();
    std::fs::write(shop.join("shop.db"), "").unwrap();
    let args = ["gateway", "serve", "--port", "0", "--data", shop.to_str().unwrap()];
    says(&args, 7, "holds a shop; give the provider a folder of its own");
}

#[test]
fn it_is_seen_and_turned_at_its_url_and_ends_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let mut provider = start(folder.path(), &[]);
    let url = provider.gateway().to_owned();
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    let dials = |args: &[&str]| -> Json {
        let ran = run(&[args, &["--url", &url]].concat());
        assert_eq!(ran.code(), 0, "{}", ran.err());
        serde_json::from_str(&ran.out()).unwrap()
    };
    assert_eq!(dials(&["gateway", "show"])["success"], 0.8);
    let set = ["gateway", "set", "--success", "0.25", "--latency-p50", "7"];
    assert_eq!(dials(&set)["success"], 0.25);
    let shown = dials(&["gateway", "show"]);
    assert_eq!((&shown["success"], &shown["latency_ms_p50"]), (&0.25.into(), &7.into()));
    let latency = ["gateway", "set", "--latency-p50", "9999", "--url", &url];
    says(&latency, 2, "latency_ms_p99 must not be below latency_ms_p50");
    let ran =
        ecom().args(["gateway", "show", "-v"]).env("ECOM_GATEWAY_URL", &url).output().unwrap();
    assert_eq!((ran.code(), ran.err()), (0, format!("using the provider at {url}\n")));
    assert_eq!(provider.stop(), 0);
    let left: BTreeSet<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(left.into_iter().collect::<Vec<_>>(), ["ecom.lock", "outside.db"]);
    says(&["gateway", "show", "--url", &url], 5, "not reached");
    says(&["gateway", "show", "--url", "ftp://x"], 2, "--url ftp://x: must be a URL such as");
    fails(&["gateway", "show", "--url", &url, "--data", "x"], 2, "cannot be used with");
}

#[test]
fn its_secret_is_asked_for_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "t0p-s3cret\n").unwrap();
    let file = file.to_str().unwrap();
    let data = folder.path().join("provider");
    let more = ["--listen", "0.0.0.0", "--secret-file", file];
    let mut provider = start(&data, &more);
    let url = provider.gateway().replace("0.0.0.0", "127.0.0.1");
    let show = ["gateway", "show", "--url", &url];
    says(&show, 5, "it does not take gateway.secret (401");
    let with = |name: &str, value: &str| ecom().args(show).env(name, value).output().unwrap();
    let wrong = with("ECOM_GATEWAY_SECRET", "guess");
    expect(&wrong, &show, 5, "401");
    assert!(!wrong.err().contains("guess"), "{}", wrong.err());
    for ran in [with("ECOM_GATEWAY_SECRET", "t0p-s3cret"), with("ECOM_GATEWAY_SECRET_FILE", file)] {
        assert_eq!(ran.code(), 0, "{}", ran.err());
    }
    assert_eq!(provider.stop(), 0);
    for entry in std::fs::read_dir(&data).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(10).any(|part| part == b"t0p-s3cret"));
    }
}
