//! Help texts, as they are printed 100 columns wide.

use crate::harness::program::{Printed, ecom, run};

fn help(command: &[String]) -> String {
    let ran = ecom().args(command).arg("--help").env("COLUMNS", "100").output().unwrap();
    assert_eq!(ran.code(), 0, "{command:?}: {}", ran.err());
    ran.out()
}

/// The subcommands that a help text lists.
fn subcommands(help: &str) -> Vec<String> {
    let listed = help.split_once("\nCommands:\n").map_or("", |(_, rest)| rest);
    let listed = listed.split("\n\n").next().unwrap_or_default();
    // A line that goes on is indented further.
    let names = listed.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn every_command_says_what_it_does() {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let mut left: Vec<Vec<String>> = vec![vec![]];
    let mut seen = 0;
    while let Some(command) = left.pop() {
        let help = help(&command);
        left.extend(
            subcommands(&help).into_iter().map(|sub| [command.clone(), vec![sub]].concat()),
        );
        let name =
            ["ecom".to_owned()].iter().chain(&command).cloned().collect::<Vec<_>>().join("-");
        settings.bind(|| insta::assert_snapshot!(name, help));
        seen += 1;
    }
    assert!(seen >= 19, "{seen} commands");
}

/// Words as a shell takes them; what stands in double quotes is one.
fn words_of(line: &str) -> Vec<&str> {
    let parts = line.split('"').enumerate();
    parts
        .flat_map(|(n, part)| match n % 2 {
            0 => part.split_whitespace().collect(),
            _ => vec![part],
        })
        .collect()
}

#[test]
fn every_line_fits_and_every_example_is_understood() {
    let mut left: Vec<Vec<String>> = vec![vec![]];
    let mut examples = 0;
    while let Some(command) = left.pop() {
        let help = help(&command);
        left.extend(
            subcommands(&help).into_iter().map(|sub| [command.clone(), vec![sub]].concat()),
        );
        for line in help.lines() {
            assert!(line.chars().count() <= 100, "{command:?}: {line}");
            let Some(example) = line.strip_prefix("  ecom ") else { continue };
            // The words up to a pipe, a redirection or the explanation, with help asked for instead.
            let words = [" | ", " > ", "    "]
                .iter()
                .fold(example, |rest, end| rest.split(end).next().unwrap());
            let words = words_of(words);
            let ran = run(&words.iter().copied().chain(["--help"]).collect::<Vec<_>>());
            assert_eq!(ran.code(), 0, "{line}: {}", ran.err());
            examples += 1;
        }
    }
    assert!(examples >= 6, "{examples} examples");
}

#[test]
fn the_version_is_the_packages() {
    for flag in ["--version", "-V"] {
        let ran = run(&[flag]);
        let version = format!("ecom {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!((ran.code(), ran.out()), (0, version));
    }
    assert_eq!(run(&["serve", "--version"]).code(), 0);
}

#[test]
fn without_a_command_the_help_is_the_answer_and_it_is_a_mistake() {
    let ran = run(&[]);
    assert_eq!((ran.code(), ran.out().as_str()), (2, ""));
    assert!(ran.err().contains("Usage: ecom [OPTIONS] <COMMAND>"), "{}", ran.err());
}
