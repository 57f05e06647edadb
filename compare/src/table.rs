//! Tables of Markdown.

use std::fmt::Write;

/// The heading, whose first `left` columns are text, the others numbers.
pub(crate) fn table_head(title: &str, headings: &[&str], left: usize) -> String {
    let align: Vec<&str> = (0..headings.len()).map(|at| if at < left { "---" } else { "--:" }).collect();
    format!("{title}| {} |\n| {} |\n", headings.join(" | "), align.join(" | "))
}

/// A row.
pub(crate) fn row(text: &mut String, cells: &[String]) {
    // Names come from drivers and libraries.
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|").replace('\n', " ")).collect();
    let _ = writeln!(text, "| {} |", cells.join(" | "));
}

/// A number, where there is one.
pub(crate) fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}
