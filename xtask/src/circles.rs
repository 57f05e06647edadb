//! The import picture of the library: which file names what of which other. It has no circles,
//! so that every file can be read after those that it is built on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../src");

/// A module by its path from the crate's root, `plan::gemm::tiles`; the root itself is empty.
type Module = Vec<String>;

/// Runs `cargo xtask circles`.
pub(crate) fn check() -> Result<(), String> {
    let mut files = BTreeMap::new();
    read(Path::new(SOURCES), &mut Vec::new(), &mut files)?;
    let left = in_circles(&imports(&files));
    if left.is_empty() {
        println!("xtask: {} files of the library import each other without a circle", files.len());
        return Ok(());
    }
    for (file, others) in &left {
        let others: Vec<String> = others.iter().map(|other| other.join("::")).collect();
        println!("{} imports {}", file.join("::"), others.join(", "));
    }
    Err(format!("{} files import each other in circles", left.len()))
}

/// Reads the files of a folder, tests aside.
fn read(folder: &Path, module: &mut Module, files: &mut BTreeMap<Module, String>) -> Result<(), String> {
    let failed = |error| format!("{}: {error}", folder.display());
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let Some(name) = path.file_stem().and_then(|name| name.to_str()) else { continue };
        if name == "tests" {
            continue;
        }
        module.push(name.to_owned());
        if path.is_dir() {
            read(&path, module, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            let key = if module == &["lib"] { Vec::new() } else { module.clone() };
            files.insert(key, code(&text));
        }
        module.pop();
    }
    Ok(())
}

/// A file's text without comments, and without the tests at its end.
fn code(text: &str) -> String {
    let end = ["#[cfg(test)]\nmod ", "#[cfg(all(test"].iter().filter_map(|tests| text.find(tests)).min();
    let lines = text[..end.unwrap_or(text.len())].lines();
    lines.map(|line| line.split_once("//").map_or(line, |(before, _)| before)).collect::<Vec<_>>().join("\n")
}

/// The files that each file names something of.
fn imports(files: &BTreeMap<Module, String>) -> BTreeMap<Module, BTreeSet<Module>> {
    let uses: BTreeMap<&Module, Vec<Use>> = files.iter().map(|(file, text)| (file, uses(file, text, files))).collect();
    // What a file passes on is imported from where it is defined.
    let passed_on = |file: &Module, name: &str| {
        let of_file = uses.get(file).into_iter().flatten();
        of_file.filter(|used| used.is_public && used.name == name).map(|used| used.path.clone()).next()
    };
    let defining = |path: &Module| {
        let mut path = path.clone();
        // No name is passed on more often.
        for _ in 0..8 {
            let length = (0..=path.len()).rev().find(|&length| files.contains_key(&path[..length]))?;
            let (file, rest) = (path[..length].to_vec(), path[length..].to_vec());
            match rest.first().and_then(|name| passed_on(&file, name)) {
                Some(further) => path = [&further[..], &rest[1..]].concat(),
                None => return Some(file),
            }
        }
        None
    };
    let of_file = |(file, uses): (&&Module, &Vec<Use>)| {
        let paths = uses.iter().filter(|used| !used.is_public).filter_map(|used| defining(&used.path));
        ((*file).clone(), paths.filter(|other| other != *file).collect())
    };
    uses.iter().map(of_file).collect()
}

/// Something that a file names by its path.
struct Use {
    path: Module,
    /// As the file calls it.
    name: String,
    /// It is passed on, not used.
    is_public: bool,
}

fn uses(file: &Module, text: &str, files: &BTreeMap<Module, String>) -> Vec<Use> {
    let (mut found, mut rest) = (Vec::new(), String::new());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let at = words.iter().take(2).position(|&word| word == "use");
        let Some(at) = at.filter(|&at| at == 0 || words[0].starts_with("pub")) else {
            rest += line;
            rest.push('\n');
            continue;
        };
        let mut statement = words[at + 1..].join(" ");
        while !statement.contains(';') {
            let Some(line) = lines.next() else { break };
            statement += line;
        }
        for (path, name) in flat(statement.trim_end_matches(';')) {
            found.extend(absolute(file, &path, files).map(|path| Use { path, name, is_public: at == 1 }));
        }
    }
    // Paths in the code; `pub(in crate::..)` imports nothing.
    for start in ["crate::", "super::"] {
        for (at, _) in rest.match_indices(start).filter(|(at, _)| !rest[..*at].ends_with("(in ")) {
            let is_path = |letter: char| letter.is_alphanumeric() || "_:".contains(letter);
            let path: String = rest[at..].chars().take_while(|&letter| is_path(letter)).collect();
            let name = String::new();
            found.extend(absolute(file, &path, files).map(|path| Use { path, name, is_public: false }));
        }
    }
    found
}

/// `a::{b, c as d}` as `a::b` and `a::c`, with the names they get.
fn flat(tree: &str) -> Vec<(String, String)> {
    let tree = tree.trim();
    let Some((before, inner)) = tree.split_once('{') else {
        let (path, name) = tree.split_once(" as ").unwrap_or((tree, tree.rsplit("::").next().unwrap_or(tree)));
        return if path.is_empty() { Vec::new() } else { vec![(path.trim().to_owned(), name.trim().to_owned())] };
    };
    let inner = inner.trim_end().trim_end_matches('}');
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (at, letter) in inner.char_indices().chain([(inner.len(), ',')]) {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let of = flat(&inner[start..at]).into_iter().map(|(path, name)| (format!("{before}{path}"), name));
                found.extend(of);
                start = at + 1;
            }
            _ => {}
        }
    }
    found
}

/// A path from the crate's root; `None` for other crates'.
fn absolute(file: &Module, path: &str, files: &BTreeMap<Module, String>) -> Option<Module> {
    let mut words: Vec<&str> = path.split("::").filter(|word| !word.is_empty() && *word != "self").collect();
    let mut base = file.clone();
    match *words.first()? {
        "crate" => {
            base.clear();
            words.remove(0);
        }
        "super" => {
            while words.first() == Some(&"super") {
                base.pop();
                words.remove(0);
            }
        }
        child => {
            let child = [&base[..], &[child.to_owned()]].concat();
            files.contains_key(&child).then_some(())?;
        }
    }
    Some([base, words.into_iter().map(str::to_owned).collect()].concat())
}

/// What is left when files that import nothing else, or that nothing imports, are taken away again and again.
fn in_circles(imports: &BTreeMap<Module, BTreeSet<Module>>) -> BTreeMap<Module, BTreeSet<Module>> {
    let mut left = imports.clone();
    loop {
        let count = left.len();
        let imported: BTreeSet<Module> = left.values().flatten().cloned().collect();
        left.retain(|file, others| !others.is_empty() && imported.contains(file));
        let files: BTreeSet<Module> = left.keys().cloned().collect();
        left.values_mut().for_each(|others| others.retain(|other| files.contains(other)));
        if left.len() == count {
            return left;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(files: &[(&str, &str)]) -> Vec<String> {
        let module = |path: &str| path.split("::").filter(|word| !word.is_empty()).map(str::to_owned).collect();
        let files: BTreeMap<Module, String> = files.iter().map(|(path, text)| (module(path), code(text))).collect();
        in_circles(&imports(&files)).keys().map(|file| file.join("::")).collect()
    }

    #[test]
    fn circles_are_found_however_files_name_each_other() {
        let ways = ["use crate::b::B;", "use super::b::{A, B as C};", "fn f(b: crate::b::B) {}", "use crate::B;"];
        for way in ways {
            let files = [("", "mod a;\nmod b;\npub use b::B;"), ("a", way), ("b", "use crate::a::A;")];
            assert_eq!(picture(&files), ["a", "b"], "{way}");
        }
    }

    #[test]
    fn what_is_no_import_makes_no_circle() {
        let ways =
            ["// crate::b", "pub(in crate::b) struct A;", "#[cfg(test)]\nmod tests {\n    use crate::b::B;\n}", ""];
        for way in ways {
            assert_eq!(picture(&[("", "mod a;"), ("a", way), ("b", "use crate::a::A;")]), [""; 0], "{way}");
        }
    }

    #[test]
    fn faces_pass_on_what_others_define() {
        // `b` imports `a`'s child through its face, which imports `b`.
        let files =
            [("a", "mod c;\npub use c::C;\nuse crate::b::B;"), ("a::c", "pub struct C;"), ("b", "use crate::a::C;")];
        assert_eq!(picture(&files), [""; 0]);
    }
}
