//! The man pages in `docs/man/`: section 1 from the definitions of the commands, section 5 from the reference of the
//! configuration. Compared with what is there, and written with `COUNTERSIGN_WRITE_PAGES=1`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;

use super::Cli;
use super::exit::ExitCode;

/// How clap_mangen has an apostrophe printed as one.
const APOSTROPHES: &str = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";

const REFERENCE: &str = include_str!("../../config/reference.toml");

/// The pages by the names of their files. They have no date: nothing changes when nothing has changed.
fn pages() -> BTreeMap<String, String> {
    let mut pages = BTreeMap::new();
    let mut root = Cli::command();
    root.build();
    add_command(&root, "countersign", &[], &mut pages);
    pages.insert("countersign.toml.5".to_owned(), configuration_page());
    pages
}

fn add_command(command: &Command, name: &str, above: &[String], pages: &mut BTreeMap<String, String>) {
    let below: Vec<(&Command, String)> =
        shown(command).map(|sub| (sub, format!("{name}-{}", sub.get_name()))).collect();
    let below_names: Vec<String> = below.iter().map(|(_, name)| name.clone()).collect();
    pages.insert(format!("{name}.1"), command_page(command, name, above, &below_names));
    for (sub, sub_name) in below {
        add_command(sub, &sub_name, &[above, &[name.to_owned()]].concat(), pages);
    }
}

fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help")
}

fn command_page(command: &Command, name: &str, above: &[String], below: &[String]) -> String {
    let words = name.replacen("countersign-", "countersign ", 1);
    // clap_mangen prints the command by the name that it has below its parent
    let man = Man::new(command.clone().name(leaked(name)).bin_name(invocation(name, command)));
    let mut rendered = Vec::new();
    man.render_name_section(&mut rendered).unwrap();
    man.render_synopsis_section(&mut rendered).unwrap();
    man.render_description_section(&mut rendered).unwrap();
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        man.render_options_section(&mut rendered).unwrap();
    }
    // its title cannot be without a date, and what a part needs is defined anew for each part
    let mut page = title(name, "1");
    page.push_str(&String::from_utf8(rendered).unwrap().replace(APOSTROPHES, ""));
    commands(&mut page, command, name);
    if let Some(text) = command.get_after_help() {
        notes(&mut page, &text.to_string());
    }
    exit_status(&mut page);
    environment(&mut page, command, &words);
    files(&mut page, command);
    let mut also: Vec<String> = above.iter().chain(below).map(|page| format!("{page}(1)")).collect();
    also.push("countersign.toml(5)".to_owned());
    see_also(&mut page, &also);
    page
}

/// What stands below the options in a command's help: paragraphs, which are filled, and examples, which are indented.
fn notes(page: &mut String, text: &str) {
    for (number, block) in text.split("\n\n").enumerate() {
        page.push_str(if number == 0 { ".SH NOTES\n" } else { ".PP\n" });
        let (begin, end) = if block.starts_with(' ') { (".nf\n", ".fi\n") } else { ("", "") };
        let _infallible = write!(page, "{begin}{}\n{end}", escaped(block));
    }
}

/// The first lines of a page. It has no date.
fn title(name: &str, section: &str) -> String {
    let (upper, version) = (name.to_ascii_uppercase(), env!("CARGO_PKG_VERSION"));
    format!("{APOSTROPHES}.TH {upper} {section} \"\" \"countersign {version}\" \"countersign\"\n")
}

/// clap keeps the names of commands for as long as the program runs.
fn leaked(name: &str) -> &'static str {
    Box::leak(name.to_owned().into_boxed_str())
}

/// How the command is called: `countersign keys seal`.
fn invocation(name: &str, command: &Command) -> String {
    command.get_bin_name().map_or_else(|| name.replace('-', " "), str::to_owned)
}

fn commands(page: &mut String, command: &Command, name: &str) {
    if shown(command).next().is_none() {
        return;
    }
    page.push_str(".SH COMMANDS\n");
    for sub in shown(command) {
        let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
        let _infallible = write!(page, ".TP\n\\fB{name}\\-{}\\fR(1)\n{}\n", escaped(sub.get_name()), escaped(&about));
    }
}

fn exit_status(page: &mut String) {
    page.push_str(".SH EXIT STATUS\n.TP\n0\nThe command did what it was asked to.\n");
    let codes = [
        (ExitCode::Negative.number(), "The command worked, and its result is negative."),
        (2, "The arguments cannot be understood."),
        (
            ExitCode::Data.number(),
            "What the command was given to work on (a form, a capture, a record, a key) cannot be used.",
        ),
        (
            ExitCode::KeyStoreUnavailable.number(),
            "A key store cannot give its key, or an endpoint cannot be reached or refuses the probe.",
        ),
        (ExitCode::Bug.number(), "A bug in countersign."),
        (ExitCode::System.number(), "The system refused a resource: a port in use, a file that cannot be written."),
        (
            ExitCode::Permissions.number(),
            "Permissions: those of this process, or of a file that others can read or write.",
        ),
        (
            ExitCode::Configuration.number(),
            "The configuration, or a key, identity or certificate, cannot be used as it is.",
        ),
        (130, "SIGINT ended it, as process 1 of a container."),
        (143, "SIGTERM ended it, as process 1 of a container."),
    ];
    for (code, meaning) in codes {
        let _infallible = write!(page, ".TP\n{code}\n{}\n", escaped(meaning));
    }
}

fn takes(command: &Command, id: &str) -> bool {
    command.get_arguments().any(|argument| argument.get_id() == id)
}

fn environment(page: &mut String, command: &Command, words: &str) {
    let mut variables = Vec::new();
    if takes(command, "config") {
        variables
            .push(("COUNTERSIGN_CONFIG", "The absolute path of the configuration file, where no --config names one."));
        variables.push((
            "COUNTERSIGN__...",
            "COUNTERSIGN__A__B=value sets a.b of the configuration, and goes before its files. See \
             countersign.toml(5).",
        ));
    }
    if takes(command, "config") || takes(command, "identity_credential") {
        variables
            .push(("CREDENTIALS_DIRECTORY", "Where systemd puts the credentials that keys and identities may be."));
    }
    if words == "countersign run" {
        variables.push(("LISTEN_FDS, LISTEN_FDNAMES", "Sockets that the service manager passes on, for systemd:NAME."));
        variables.push(("NOTIFY_SOCKET", "Where the service manager is told that the process is ready or ends."));
        let watchdog = "The service manager's watchdog: it is fed twice in this time, while every worker turns.";
        variables.push(("WATCHDOG_USEC, WATCHDOG_PID", watchdog));
        variables.push(("HTTPS_PROXY, ALL_PROXY, NO_PROXY", "Read for routes with egress = \"environment\"."));
    }
    if ["countersign sign", "countersign verify", "countersign explain"].contains(&words) {
        variables.push(("AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN", "The secret access key and the session token."));
    }
    if variables.is_empty() {
        return;
    }
    page.push_str(".SH ENVIRONMENT\n");
    for (name, meaning) in variables {
        let _infallible = write!(page, ".TP\n\\fB{}\\fR\n{}\n", escaped(name), escaped(meaning));
    }
}

fn files(page: &mut String, command: &Command) {
    if !takes(command, "config") {
        return;
    }
    page.push_str(".SH FILES\n");
    for (name, meaning) in [
        (
            "/etc/countersign/countersign.toml",
            "The configuration, where neither --config nor COUNTERSIGN_CONFIG names one. --config /dev/null reads \
             none.",
        ),
        (
            "conf.d/*.toml",
            "Beside the configuration file: clients and routes of other owners. See countersign.toml(5).",
        ),
    ] {
        let _infallible = write!(page, ".TP\n\\fI{}\\fR\n{}\n", escaped(name), escaped(meaning));
    }
}

fn see_also(page: &mut String, names: &[String]) {
    page.push_str(".SH SEE ALSO\n");
    for (nth, name) in names.iter().enumerate() {
        let (name, section) = name.split_once('(').unwrap();
        let comma = if nth.saturating_add(1) == names.len() { "" } else { "," };
        let _infallible = writeln!(page, ".BR {} ({section}{comma}", name.replace('-', "\\-"));
    }
}

/// A text between requests of roff: no backslash, and no line that begins like a request.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    let ended = text.ends_with('\n');
    let line = |line: &str| if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line.to_owned() };
    let lines: Vec<String> = text.lines().map(line).collect();
    lines.join("\n") + if ended { "\n" } else { "" }
}

/// The page of the configuration: every table and key of the reference, with what its comment says.
fn configuration_page() -> String {
    let mut page = title("countersign.toml", "5");
    page.push_str(
        ".SH NAME\ncountersign.toml \\- configuration of countersign\n.SH SYNOPSIS\n.nf\n\
         /etc/countersign/countersign.toml\n/etc/countersign/conf.d/*.toml\n.fi\n.SH DESCRIPTION\n",
    );
    let mut comment: Vec<&str> = Vec::new();
    let mut in_head = true;
    for line in REFERENCE.lines() {
        if let Some(title) = line.strip_prefix("# ---- ") {
            if in_head {
                head(&mut page, &comment);
                in_head = false;
            }
            comment.clear();
            let _infallible = writeln!(page, ".SH \"{}\"", escaped(title.trim_end_matches(['-', ' '])).to_uppercase());
        } else if let Some(entry) = entry(line) {
            entry.write(&mut page, &comment);
            comment.clear();
        } else if let Some(text) = line.strip_prefix('#') {
            comment.push(text.strip_prefix(' ').unwrap_or(text));
        } else if !in_head && line.is_empty() {
            comment.clear();
        }
    }
    page.push_str(
        ".SH FILES\n.TP\n\\fI/etc/countersign/countersign.toml\\fR\nRead where neither \\-\\-config nor \
         COUNTERSIGN_CONFIG names a file.\n.TP\n\\fI/etc/countersign/conf.d/*.toml\\fR\nThe files of conf.d \
         beside it.\n",
    );
    see_also(&mut page, &["countersign(1)", "countersign-check(1)", "countersign-run(1)"].map(str::to_owned));
    page
}

fn head(page: &mut String, comment: &[&str]) {
    let mut begins = false;
    for line in comment {
        if line.is_empty() {
            begins = true;
        } else if std::mem::take(&mut begins) {
            let _infallible = write!(page, ".PP\n{}\n", escaped(line.trim_start()));
        } else if line.starts_with(' ') {
            let _infallible = write!(page, ".br\n{}\n", escaped(line.trim_start()));
        } else {
            let _infallible = writeln!(page, "{}", escaped(line));
        }
    }
}

/// A table or a key of the reference.
enum Entry<'t> {
    Table(&'t str),
    Key { name: &'t str, value: &'t str, kind: Kind },
}

enum Kind {
    Required,
    Default,
    Example,
}

fn entry(line: &str) -> Option<Entry<'_>> {
    let (line, kind) = if let Some(line) = line.strip_prefix("# e.g. ") {
        (line, Kind::Example)
    } else if let Some(line) = line.strip_prefix('#') {
        (line, Kind::Default)
    } else {
        (line, Kind::Required)
    };
    if line.starts_with('[') && line.ends_with(']') {
        return Some(Entry::Table(line));
    }
    let (name, value) = line.split_once(" = ")?;
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    is_name.then_some(Entry::Key { name, value, kind })
}

impl Entry<'_> {
    fn write(&self, page: &mut String, comment: &[&str]) {
        match self {
            Self::Table(header) => {
                let _infallible = writeln!(page, ".SS \"{}\"", escaped(&header.replace('"', "\\(dq")));
                paragraph(page, comment);
            }
            Self::Key { name, value, kind } => {
                let about = match kind {
                    Kind::Required => "required, e.g.",
                    Kind::Default => "default",
                    Kind::Example => "e.g.",
                };
                let _infallible = write!(page, ".TP\n\\fB{}\\fR   ({about} {})\n", escaped(name), escaped(value));
                paragraph(page, comment);
            }
        }
    }
}

fn paragraph(page: &mut String, comment: &[&str]) {
    for line in comment {
        // lists keep their lines
        let request = if line.starts_with(' ') { ".br\n" } else { "" };
        let text = line.trim();
        if !text.is_empty() {
            let _infallible = writeln!(page, "{request}{}", escaped(text));
        }
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/man")
}

#[test]
fn every_man_page_is_what_the_program_and_the_reference_say() {
    // commands of other features would be missing
    if !cfg!(all(feature = "aws", feature = "pkcs11", feature = "top", feature = "otlp")) {
        return;
    }
    let (pages, folder) = (pages(), folder());
    if std::env::var_os("COUNTERSIGN_WRITE_PAGES").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        for (name, text) in &pages {
            std::fs::write(folder.join(name), text).unwrap();
        }
        return;
    }
    for (name, text) in &pages {
        let written = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(written == *text, "docs/man/{name} is out of date: run the test with COUNTERSIGN_WRITE_PAGES=1");
    }
    let there = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let strange: Vec<String> = there.filter(|name| !pages.contains_key(name)).collect();
    assert!(strange.is_empty(), "of no command: {strange:?}");
}

#[test]
fn no_line_below_the_options_of_a_help_is_wrapped_twice_on_a_terminal_of_80_columns() {
    let mut root = Cli::command();
    root.build();
    let mut ahead = vec![&root];
    while let Some(command) = ahead.pop() {
        ahead.extend(command.get_subcommands());
        let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        for block in text.split("\n\n") {
            let is_example = block.lines().all(|line| line.starts_with("  ") && line.chars().count() <= 80);
            // a paragraph is one line, which the terminal's width wraps
            assert!(is_example || block.lines().count() <= 1, "{}: {block}", command.get_name());
        }
    }
}

#[test]
fn every_page_has_the_sections_that_a_reader_looks_for() {
    for (name, text) in pages() {
        for section in [".SH NAME\n", ".SH SYNOPSIS\n", ".SH DESCRIPTION\n", ".SH SEE ALSO\n"] {
            assert!(text.contains(section), "{name}: {section}");
        }
        assert_eq!(text.contains(".SH EXIT STATUS\n"), name.ends_with(".1"), "{name}");
        assert_eq!(text.contains("COUNTERSIGN_CONFIG"), text.contains(".SH FILES\n"), "{name}");
        assert!(!text.contains("key-agent") && !text.contains("plugin-key"), "{name} shows a hidden command");
    }
}

#[test]
fn the_page_of_the_configuration_has_every_key_of_the_reference() {
    let page = configuration_page();
    let keys = REFERENCE.lines().filter_map(entry).filter_map(|entry| match entry {
        Entry::Key { name, .. } => Some(name),
        Entry::Table(_) => None,
    });
    let mut count = 0;
    for name in keys {
        assert!(page.contains(&format!("\\fB{name}\\fR")), "{name}");
        count += 1;
    }
    assert!(count > 120, "{count}");
}
