//! Nobody reads any more: the program ends, and says nothing of it.

use std::process::Stdio;

use crate::harness::program::{Printed, Served, ecom};

#[test]
fn a_closed_pipe_ends_every_command_quietly() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    let mut shop = Served::start(&data, &["--products", "300"]);
    assert_eq!(shop.stop(), 0);
    let data = data.to_str().unwrap();
    let commands: [&[&str]; 10] = [
        &["--help"],
        &["--version"],
        &["config", "show"],
        &["config", "template"],
        &["topics", "list", "--data", data],
        &["topics", "list", "-o", "json", "--data", data],
        &["topics", "tail", "catalog.product_upserted", "--from", "beginning", "--data", data],
        &["topics", "tail", "catalog.product_upserted", "-n", "300", "-o", "json", "--data", data],
        &["dlq", "list", "-o", "json", "--data", data],
        &["verify", "--data", data],
    ];
    for command in commands {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut program = ecom();
        program.args(command).stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
        let ran = program.spawn().unwrap().wait_with_output().unwrap();
        assert_eq!(ran.err(), "", "{command:?}");
        assert!([0, 1].contains(&ran.code()), "{command:?}: {}", ran.code());
    }
}

#[test]
fn the_first_line_of_a_long_tail_is_enough() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    let mut shop = Served::start(&data, &["--products", "300"]);
    assert_eq!(shop.stop(), 0);
    let line =
        "\"$0\" topics tail catalog.product_upserted --from beginning --data \"$1\" | head -1";
    let ran = std::process::Command::new("sh")
        .args(["-c", line, env!("CARGO_BIN_EXE_ecom")])
        .arg(&data)
        .output()
        .unwrap();
    assert_eq!((ran.code(), ran.err().as_str()), (0, ""));
    assert_eq!(ran.out().lines().count(), 1);
    assert!(ran.out().starts_with("catalog.product_upserted/"));
}
