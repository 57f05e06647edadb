//! Checks that text fits: no line of more than 120 columns, no source file of more than 400 lines.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Columns of a line, in characters. rustfmt keeps code to as many (`rustfmt.toml`),
/// but leaves comments and texts alone.
const MOST_COLUMNS: usize = 120;

/// Lines of a source file.
const MOST_LINES: usize = 400;

/// What is asked of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Both limits.
    Source,
    /// The columns, but for rows of tables, which cannot be broken.
    Markdown,
    /// The columns of comments.
    Manifest,
}

impl Kind {
    /// The one place that says what is checked: sources, hand-written Markdown and manifests. Lock files, data and
    /// whatever else has another name are not, nor are the results of benchmarks, which a program writes.
    fn of(path: &str) -> Option<Self> {
        if path.starts_with("benches/results/") {
            return None;
        }
        let name = path.rsplit('/').next().unwrap_or(path);
        match name.rsplit_once('.').map(|(_, extension)| extension) {
            Some("rs" | "wgsl" | "py" | "js" | "mjs" | "ts" | "css" | "html") => Some(Self::Source),
            Some("md") => Some(Self::Markdown),
            _ if name == "Cargo.toml" => Some(Self::Manifest),
            _ => None,
        }
    }

    fn measures(self, line: &str) -> bool {
        match self {
            Self::Source => true,
            Self::Markdown => !line.trim_start().starts_with('|'),
            Self::Manifest => line.trim_start().starts_with('#'),
        }
    }
}

/// Prints every line and file that is too long; one of them is an error.
pub(crate) fn check() -> Result<(), String> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let (mut files, mut faults) = (0, 0);
    for path in listed(root).map_or_else(|| walked(root), Ok)? {
        let Some(kind) = Kind::of(&path) else { continue };
        let file = root.join(&path);
        if !file.is_file() {
            // Git lists what was deleted until the deletion is staged.
            continue;
        }
        let text = std::fs::read_to_string(file).map_err(|error| format!("{path}: {error}"))?;
        for fault in faults_of(kind, &text) {
            println!("{path}{fault}");
            faults += 1;
        }
        files += 1;
    }
    if faults > 0 {
        return Err(format!("{faults} too long: a line may have {MOST_COLUMNS} columns, a source {MOST_LINES} lines"));
    }
    println!(
        "xtask: {files} files, no line of more than {MOST_COLUMNS} columns, no source of more than {MOST_LINES} lines"
    );
    Ok(())
}

/// What is too long in a text, as it follows the path.
fn faults_of(kind: Kind, text: &str) -> Vec<String> {
    let lines = text.lines().enumerate().filter(|(_, line)| kind.measures(line) && breakable(line));
    let mut faults: Vec<String> = lines
        .map(|(index, line)| (index + 1, line.chars().count()))
        .filter(|&(_, columns)| columns > MOST_COLUMNS)
        .map(|(number, columns)| format!(":{number}: {columns} columns"))
        .collect();
    let lines = text.lines().count();
    if kind == Kind::Source && lines > MOST_LINES {
        faults.push(format!(": {lines} lines"));
    }
    faults
}

/// A line of one word, such as a URL, is as long as the word is: what stands before it (`//`, `-`, `>`) is no word.
fn breakable(line: &str) -> bool {
    let word = |word: &&str| word.contains(char::is_alphanumeric);
    line.split_whitespace().filter(word).count() > 1
}

/// The files that Git tracks, relative to the root; none without Git, or where the sources are not its own.
fn listed(root: &Path) -> Option<Vec<String>> {
    let mut command = Command::new("git");
    command.args(["ls-files", "-z"]).current_dir(root).stdin(Stdio::null()).stderr(Stdio::null());
    let output = command.output().ok().filter(|output| output.status.success())?;
    let names = String::from_utf8(output.stdout).ok()?;
    let files: Vec<String> = names.split_terminator('\0').map(str::to_owned).collect();
    (!files.is_empty()).then_some(files)
}

/// Every file under the root, relative to it, but for build outputs (`target`) and hidden folders.
fn walked(root: &Path) -> Result<Vec<String>, String> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let told = |error: std::io::Error| format!("{}: {error}", root.join(&folder).display());
        for entry in std::fs::read_dir(root.join(&folder)).map_err(told)? {
            let entry = entry.map_err(told)?;
            let name = entry.file_name();
            let path = folder.join(&name);
            let kind = entry.file_type().map_err(told)?;
            if kind.is_file() {
                files.push(path.to_string_lossy().replace('\\', "/"));
            } else if kind.is_dir() && name != "target" && !name.to_string_lossy().starts_with('.') {
                folders.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_is_written_by_hand() {
        for path in ["src/lib.rs", "shaders/parts/grid.wgsl", "python/a/b.py"] {
            assert_eq!(Kind::of(path), Some(Kind::Source), "{path}");
        }
        for path in ["README.md", "benches/README.md"] {
            assert_eq!(Kind::of(path), Some(Kind::Markdown), "{path}");
        }
        assert_eq!(Kind::of("cli/Cargo.toml"), Some(Kind::Manifest));
        for path in ["benches/results/a/bench.md", "Cargo.lock", "rustfmt.toml", "models/images/cat.png", ".ci/run"] {
            assert_eq!(Kind::of(path), None, "{path}");
        }
    }

    #[test]
    fn counts_characters_of_lines() {
        let line = |columns: usize| format!("// {}", "é ".repeat(columns / 2))[..].chars().take(columns).collect();
        let (fits, long): (String, String) = (line(120), line(121));
        assert_eq!(faults_of(Kind::Source, &fits), [""; 0]);
        assert_eq!(faults_of(Kind::Source, &format!("a\n{long}\n{fits}\n")), [":2: 121 columns"]);
        assert_eq!(faults_of(Kind::Source, &format!("{fits}\r\n")), [""; 0]);
    }

    #[test]
    fn leaves_what_cannot_be_broken() {
        let (words, word) = ("ab ".repeat(50), "a".repeat(150));
        assert_eq!(faults_of(Kind::Markdown, &format!("  | {words} |\n")), [""; 0]);
        assert_eq!(faults_of(Kind::Source, &format!("  | {words} |\n")).len(), 1);
        for line in [format!("https://{word}"), format!("- https://{word}"), format!("    /// <https://{word}>")] {
            assert_eq!(faults_of(Kind::Source, &line), [""; 0], "{line}");
        }
        assert_eq!(faults_of(Kind::Markdown, &format!("See {word}")).len(), 1);
    }

    #[test]
    fn measures_comments_of_manifests() {
        let words = "ab ".repeat(50);
        assert_eq!(faults_of(Kind::Manifest, &format!("description = \"{words}\"\n# {words}\n")).len(), 1);
    }

    #[test]
    fn counts_lines_of_sources() {
        let (fits, long) = ("x\n".repeat(400), "x\n".repeat(401));
        assert_eq!(faults_of(Kind::Source, &fits), [""; 0]);
        assert_eq!(faults_of(Kind::Source, &long), [": 401 lines"]);
        assert_eq!(faults_of(Kind::Markdown, &long), [""; 0]);
    }

    #[test]
    fn walks_as_git_lists() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR"));
        let walked = walked(source).unwrap();
        assert!(walked.contains(&"src/lines.rs".to_owned()) && walked.contains(&"Cargo.toml".to_owned()), "{walked:?}");
        if let Some(listed) = listed(source) {
            assert!(listed.iter().filter(|path| source.join(path).is_file()).all(|path| walked.contains(path)));
        }
    }
}
