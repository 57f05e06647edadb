//! Which class is on which image: a table, or one folder a class.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

/// Columns of a table with a header that are read, by their names: the first that is there counts.
const FILE: [&str; 2] = ["file", "filename"];
const INDEX: [&str; 3] = ["index", "class", "label"];

/// Columns that are for people.
const UNREAD: [&str; 2] = ["wnid", "name"];

/// What images are called in a folder of a class, as torchvision has it: other files are passed over.
const EXTENSIONS: [&str; 9] = ["jpg", "jpeg", "png", "ppm", "bmp", "pgm", "tif", "tiff", "webp"];

/// An image's file, relative to the folder of all, and its class.
pub(crate) type Label = (PathBuf, usize);

/// Reads the bytes of a table, for a network of `classes` classes.
pub(crate) fn parse(bytes: &[u8], classes: usize) -> Result<Vec<Label>> {
    let text = decode(bytes)?;
    let rows = rows(&text)?;
    let Some((number, first)) = rows.first() else { bail!("it is empty") };
    // Without a header lines are FILE CLASS; a header ends in a word.
    let (file_at, index_at, columns, skipped) = if is_index(first.last()) && !first.iter().any(|field| is_column(field))
    {
        (0, 1, 2, 0)
    } else {
        if let Some(reason) = no_header(first) {
            bail!("line {number} is neither a header (with columns file and index) nor FILE CLASS: {reason}");
        }
        check_columns(first, *number)?;
        (place(first, &FILE, *number)?, place(first, &INDEX, *number)?, first.len(), 1)
    };
    let mut first_lines: HashMap<&str, usize> = HashMap::new();
    let mut labels = Vec::new();
    for (number, fields) in &rows[skipped..] {
        let given = fields.len();
        ensure!(given == columns, "line {number}: {given} fields instead of {columns}");
        let (index, file) = (&*fields[index_at], &*fields[file_at]);
        let Ok(class) = index.parse::<usize>() else { bail!("line {number}: index {index:?} is no number") };
        ensure!(class < classes, "line {number}: index is {class}: the network tells {classes} classes apart");
        ensure!(stays_inside(file), "line {number}: file {file:?} is no name of a file in the folder");
        if let Some(first) = first_lines.insert(file, *number) {
            bail!("line {number}: file {file} is in line {first} already");
        }
        labels.push((PathBuf::from(file), class));
    }
    ensure!(!labels.is_empty(), "it lists no image");
    Ok(labels)
}

/// Text in UTF-8, or in UTF-16 with a byte order mark, as spreadsheets save it; without the mark.
fn decode(bytes: &[u8]) -> Result<Cow<'_, str>> {
    let wide = |read: fn([u8; 2]) -> u16, rest: &[u8]| {
        let (pairs, odd) = rest.as_chunks();
        let units = pairs.iter().map(|&pair| read(pair));
        let text: Result<String, _> = char::decode_utf16(units).collect();
        text.ok().filter(|_| odd.is_empty()).context("it is no UTF-16 text").map(Cow::Owned)
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => wide(u16::from_le_bytes, rest),
        [0xfe, 0xff, rest @ ..] => wide(u16::from_be_bytes, rest),
        _ => {
            let text = std::str::from_utf8(bytes).context("it is no UTF-8 text")?;
            Ok(Cow::Borrowed(text.trim_start_matches('\u{feff}')))
        }
    }
}

/// Line numbers and fields of what is not blank. The first line tells what is between fields: tabs, commas,
/// semicolons, or else white space, where all but the last field of a line `FILE CLASS` is the file's name.
fn rows(text: &str) -> Result<Vec<(usize, Vec<String>)>> {
    let lines = || (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let Some((_, first)) = lines().next() else { return Ok(Vec::new()) };
    if let Some(separator) = ['\t', ',', ';'].into_iter().find(|&separator| first.contains(separator)) {
        return separated(text, separator as u8);
    }
    let has_header = !is_index(first.split_whitespace().next_back());
    let fields = |line: &str| match line.trim().rsplit_once(char::is_whitespace) {
        Some((file, index)) if !has_header => vec![file.trim_end().to_owned(), index.to_owned()],
        _ => line.split_whitespace().map(str::to_owned).collect(),
    };
    Ok(lines().map(|(number, line)| (number, fields(line))).collect())
}

/// As spreadsheets write it: fields that hold the separator, or quotes, are in quotes.
fn separated(text: &str, separator: u8) -> Result<Vec<(usize, Vec<String>)>> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(separator)
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record?;
        // A position is before the blank lines that were passed over.
        let number = record.position().map_or(0, |position| {
            let rest = text.as_bytes().iter().skip(position.byte() as usize);
            let blank = rest.take_while(|byte| matches!(byte, b'\r' | b'\n')).filter(|&&byte| byte == b'\n').count();
            position.line() as usize + blank
        });
        if record.iter().any(|field| !field.is_empty()) {
            rows.push((number, record.iter().map(str::to_owned).collect()));
        }
    }
    Ok(rows)
}

fn is_index(field: Option<impl AsRef<str>>) -> bool {
    field.is_some_and(|field| field.as_ref().parse::<i64>().is_ok())
}

fn columns() -> impl Iterator<Item = &'static str> {
    [&INDEX[..], &UNREAD, &FILE].concat().into_iter()
}

fn is_column(field: &str) -> bool {
    columns().any(|column| field.eq_ignore_ascii_case(column))
}

/// Why a first line that has no class at its end is no header either.
fn no_header(first: &[String]) -> Option<String> {
    let (head, last) = (first.first()?, first.last()?);
    if head.starts_with('#') || head.starts_with("//") {
        return Some("it looks like a comment, which a table cannot have".to_owned());
    }
    if first.iter().any(|field| is_column(field)) {
        return None;
    }
    Some(if first.len() == 1 {
        format!("it is one field, {last:?}")
    } else if is_index(Some(head)) {
        format!("{head} stands before the file, not behind it")
    } else if last.parse::<f64>().is_ok() {
        format!("class {last} is no whole number")
    } else {
        format!("class {last:?} is no number")
    })
}

fn check_columns(header: &[String], number: usize) -> Result<()> {
    if let Some(unknown) = header.iter().find(|column| !is_column(column)) {
        let columns = columns().collect::<Vec<_>>().join(", ");
        bail!("line {number}: column {unknown:?} is none of {columns} (without a header, lines are FILE CLASS)");
    }
    Ok(())
}

/// Where a header has a column, by the first of its names that is there; any case will do.
fn place(header: &[String], names: &[&str], number: usize) -> Result<usize> {
    for name in names {
        let places: Vec<usize> = (0..header.len()).filter(|&at| header[at].eq_ignore_ascii_case(name)).collect();
        match places[..] {
            [place] => return Ok(place),
            [] => {}
            _ => bail!("line {number}: column {name} is there {} times", places.len()),
        }
    }
    bail!("line {number}: column {} is missing", names[0])
}

/// A table must not reach outside its folder.
fn stays_inside(file: &str) -> bool {
    let path = Path::new(file);
    let is_plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    is_plain && path.file_name().is_some() && !file.ends_with('/')
}

/// Images of one folder a class, for a network of `classes` classes with these labels, if any. As in torchvision's
/// `ImageFolder` the classes are the folders in the order of their names; but where all folders are called as classes
/// of the network, a folder is the class of its name.
pub(crate) fn of_folders(directory: &Path, classes: usize, labels: &[String]) -> Result<Vec<Label>> {
    let folders = entries(directory)?.into_iter().filter(|(_, is_folder)| *is_folder);
    let folders: Vec<String> = folders.map(|(name, _)| name).collect();
    ensure!(!folders.is_empty(), "it has no folders, one a class, and there is no table (--labels)");
    let by_label: Option<Vec<usize>> =
        folders.iter().map(|folder| labels.iter().position(|label| label == folder)).collect();
    let indices = match by_label {
        Some(indices) => indices,
        None => {
            let count = folders.len();
            ensure!(
                count == classes,
                "it has {count} folders, one a class: the network tells {classes} classes apart (a table, --labels, \
                 says which is which)"
            );
            (0..count).collect()
        }
    };
    let mut images = Vec::new();
    for (folder, class) in folders.iter().zip(indices) {
        let before = images.len();
        collect(directory, Path::new(folder), class, &mut images)?;
        ensure!(images.len() > before, "folder {folder} has no image, but counts as a class: move it elsewhere");
    }
    Ok(images)
}

/// Images of a folder of a class, and of the folders in it.
fn collect(directory: &Path, folder: &Path, class: usize, images: &mut Vec<Label>) -> Result<()> {
    ensure!(folder.components().count() <= DEPTH, "{}: folders lie more than {DEPTH} deep", folder.display());
    for (name, is_folder) in entries(&directory.join(folder)).with_context(|| folder.display().to_string())? {
        let path = folder.join(name);
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        if is_folder {
            collect(directory, &path, class, images)?;
        } else if extension.is_some_and(|extension| EXTENSIONS.contains(&&*extension)) {
            images.push((path, class));
        }
    }
    Ok(())
}

/// How deep folders lie: links may lead in circles.
const DEPTH: usize = 32;

/// Names in a directory in their order, and which are directories; links count as what they lead to.
fn entries(directory: &Path) -> Result<Vec<(String, bool)>> {
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().into_string();
        let Ok(name) = name else { bail!("the name of a file in it is no UTF-8") };
        let is_folder = std::fs::metadata(entry.path()).is_ok_and(|what| what.is_dir());
        entries.push((name, is_folder));
    }
    entries.sort();
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> Vec<(String, usize)> {
        let labels = parse(text.as_bytes(), 10).unwrap();
        labels.into_iter().map(|(file, class)| (file.to_str().unwrap().to_owned(), class)).collect()
    }

    fn error(text: &str) -> String {
        parse(text.as_bytes(), 10).unwrap_err().to_string()
    }

    #[test]
    fn tables_of_every_kind() {
        let want = [("a.png".to_owned(), 3), ("b c.png".to_owned(), 0)];
        for text in [
            "index\tfile\n3\ta.png\n0\tb c.png\n",
            // Columns may stand in any order, lines end as on Windows, and blank ones do not count.
            "file\tindex\r\na.png\t3\r\n\r\nb c.png\t0\r\n",
            "\u{feff}index\tfile\r\n3\ta.png\r\n0\tb c.png\r\n",
            "Index,Name,File\n3,\"tench, Tinca tinca\",a.png\n0,x,b c.png\n",
            "index;file\n3;a.png\n0;b c.png",
            "FILE,CLASS\na.png,3\nb c.png,0\n",
            "file,class\na.png,3\nb c.png,0\n",
            "filename\tlabel\na.png\t3\nb c.png\t0\n",
            // The number, where there is a column of names too.
            "file,index,label\na.png,3,cat\nb c.png,0,dog\n",
            "a.png\t3\nb c.png\t0\n",
            "a.png,3\r\n\"b c.png\", 0\r\n",
            "\u{feff}a.png;3\nb c.png;0\n",
            "a.png 3\nb c.png   0\n",
            "\n  a.png 3\r\nb c.png 0  \r\n",
        ] {
            assert_eq!(labels(text), want, "{text:?}");
        }
        assert_eq!(labels("index file\n1 a.png\n"), [("a.png".to_owned(), 1)]);
        assert_eq!(labels("filename label\na.png 1\n"), [("a.png".to_owned(), 1)]);
        assert_eq!(labels("n01/a.png 1\n"), [("n01/a.png".to_owned(), 1)]);
    }

    #[test]
    fn spreadsheets_save_in_utf_16() {
        let text = "index\tfile\r\n3\tä.png\r\n";
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for bytes in [[&[0xff, 0xfe][..], &little].concat(), [&[0xfe, 0xff][..], &big].concat()] {
            assert_eq!(parse(&bytes, 10).unwrap(), [(PathBuf::from("ä.png"), 3)]);
            assert_eq!(parse(&bytes[..bytes.len() - 1], 10).unwrap_err().to_string(), "it is no UTF-16 text");
        }
        assert_eq!(parse(b"\xff\xfe\x00\xd8", 10).unwrap_err().to_string(), "it is no UTF-16 text");
        assert_eq!(parse(b"a.png 1\n\xff", 10).unwrap_err().to_string(), "it is no UTF-8 text");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for empty in ["", "\n\r\n", "\u{feff}"] {
            assert_eq!(error(empty), "it is empty");
        }
        assert_eq!(error("index\tfile\n"), "it lists no image");
        let hint =
            "is none of index, class, label, wnid, name, file, filename (without a header, lines are FILE CLASS)";
        assert_eq!(error("index\tpath\n"), format!("line 1: column \"path\" {hint}"));
        for (text, reason) in [
            ("a/1.png R\n", "class \"R\" is no number"),
            ("a/1.png,R\n", "class \"R\" is no number"),
            ("0 a/1.png\n", "0 stands before the file, not behind it"),
            ("0\ta/1.png\n", "0 stands before the file, not behind it"),
            ("a/1.png 0.0\n", "class 0.0 is no whole number"),
            ("a/1.png\n", "it is one field, \"a/1.png\""),
            ("# my file index\na.png 1\n", "it looks like a comment, which a table cannot have"),
            ("#file,class\na.png,1\n", "it looks like a comment, which a table cannot have"),
        ] {
            let neither = "line 1 is neither a header (with columns file and index) nor FILE CLASS";
            assert_eq!(error(text), format!("{neither}: {reason}"));
        }
        assert_eq!(error("index\tname\n"), "line 1: column file is missing");
        assert_eq!(error("index\tfile\tindex\n"), "line 1: column index is there 2 times");
        assert_eq!(error("index\tfile\n1\n"), "line 2: 1 fields instead of 2");
        assert_eq!(error("a.png 1\nb.png\n"), "line 2: 1 fields instead of 2");
        assert_eq!(error("a.png,x,1\n"), "line 1: 3 fields instead of 2");
        assert_eq!(error("index\tfile\n-1\ta\n"), "line 2: index \"-1\" is no number");
        assert_eq!(error("a.png 1\nb.png one\n"), "line 2: index \"one\" is no number");
        assert_eq!(error("a.png -1\n"), "line 1: index \"-1\" is no number");
        assert_eq!(error("index\tfile\n9\ta\n10\tb\n"), "line 3: index is 10: the network tells 10 classes apart");
        assert_eq!(error("index\tfile\n1\ta\n\n2\ta\n"), "line 4: file a is in line 2 already");
        for file in ["", "..", "a/../b", "./a", "a/", "/etc/passwd"] {
            let want = format!("line 2: file {file:?} is no name of a file in the folder");
            assert_eq!(error(&format!("index\tfile\n1\t{file}\n")), want);
        }
    }
}
