//! `ecom completions` and `ecom man`: what packages ship beside the program.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use super::{Cli, Exit, output};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ecom completions bash > /etc/bash_completion.d/ecom
  ecom completions zsh > ~/.zfunc/_ecom")]
pub(super) struct CompletionsArgs {
    /// The shell that is helped.
    shell: Shell,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ecom man > ecom.1
  ecom man --out /usr/local/share/man/man1")]
pub(super) struct ManArgs {
    /// Write a page for each command into this folder, instead of the first page to standard output.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn completions(args: &CompletionsArgs) -> anyhow::Result<Exit> {
    let mut script = vec![];
    clap_complete::generate(args.shell, &mut Cli::command(), "ecom", &mut script);
    output::out(&String::from_utf8(script)?)?;
    Ok(Exit::Ok)
}

pub(super) fn man(args: &ManArgs) -> anyhow::Result<Exit> {
    let mut command = Cli::command();
    command.build();
    let Some(dir) = &args.out else {
        output::out(&page(&command)?)?;
        return Ok(Exit::Ok);
    };
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let mut left = vec![command];
    let mut count = 0;
    while let Some(command) = left.pop() {
        let name = command.get_display_name().unwrap_or_else(|| command.get_name());
        let path = dir.join(format!("{name}.1"));
        std::fs::write(&path, page(&command)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
        count += 1;
        let shown = |sub: &&Command| sub.get_name() != "help" && !sub.is_hide_set();
        left.extend(command.get_subcommands().filter(shown).cloned());
    }
    output::say(format!("{count} pages in {}", dir.display()));
    Ok(Exit::Ok)
}

fn page(command: &Command) -> anyhow::Result<String> {
    let mut page = vec![];
    Man::new(command.clone()).render(&mut page)?;
    Ok(String::from_utf8(page)?)
}
