//! A variable that is declared in a loop says what it begins with. Where it does not, Tint of Chromium 156 and naga of
//! Firefox ESR 153 keep what it held in the last turn; naga 30, on which tests run kernels, does not.

use super::super::Variant;
use super::{Listed, by_threads};

/// Every `var NAME: TYPE;` in a loop, as its line and the declaration.
fn without_initializer(source: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    // Of every open block, whether it is a loop's body or lies in one.
    let mut blocks: Vec<bool> = Vec::new();
    let mut statement = String::new();
    // Of parentheses: semicolons of a `for` are in some, and end no statement.
    let mut depth = 0;
    for (number, line) in without_comments(source).lines().enumerate() {
        for letter in line.chars() {
            match letter {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            let in_loop = blocks.last() == Some(&true);
            match letter {
                ';' if in_loop && is_bare(&statement) => found.push((number + 1, statement.trim().to_owned())),
                '{' => blocks.push(in_loop || begins_loop(&statement)),
                '}' => _ = blocks.pop(),
                _ => {}
            }
            if matches!(letter, '{' | '}') || letter == ';' && depth == 0 {
                statement.clear();
            } else {
                statement.push(letter);
            }
        }
        statement.push(' ');
    }
    found
}

/// The text with blanks for comments, line by line as before.
fn without_comments(source: &str) -> String {
    let (mut text, mut rest) = (String::new(), source);
    while let Some(at) = rest.find("//").into_iter().chain(rest.find("/*")).min() {
        let (before, comment) = rest.split_at(at);
        let end = if comment.starts_with("//") { comment.find('\n') } else { comment.find("*/").map(|end| end + 2) };
        let (comment, after) = comment.split_at(end.unwrap_or(comment.len()));
        text += before;
        text.extend(comment.chars().filter(|&letter| letter == '\n'));
        rest = after;
    }
    text + rest
}

fn begins_loop(statement: &str) -> bool {
    let mut words = statement.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    words.any(|word| matches!(word, "for" | "while" | "loop"))
}

/// A declaration that ends here, of its own or the first of a `for`'s.
fn is_bare(statement: &str) -> bool {
    let declaration = statement.trim_start().trim_start_matches("for").trim_start_matches([' ', '(']);
    let is_var = declaration.strip_prefix("var").is_some_and(|rest| rest.starts_with([' ', '<']));
    is_var && !declaration.contains(['=', ';'])
}

#[test]
fn variables_in_loops_begin_with_something() {
    by_threads(&Variant::all(), |Listed { variant, .. }| {
        let description = variant.describe();
        if let Some((line, variable)) = without_initializer(&description.source()).first() {
            panic!(
                "{}: line {line}: `{variable};` in a loop keeps its last turn's value in browsers",
                description.label()
            );
        }
    });
}

/// What is found in `source`, as `LINE NAME`.
fn found(source: &str) -> Vec<String> {
    let name = |declaration: &str| {
        declaration.split_once("var").and_then(|(_, rest)| rest.split_once(':')).expect("a var").0.to_owned()
    };
    without_initializer(source).iter().map(|(line, declaration)| format!("{line}{}", name(declaration))).collect()
}

#[test]
fn loops_are_seen_through_braces() {
    for head in ["for (var i = 0u; i < (2u); i++)", "while i < 2u", "loop", "if a { } for (;;)"] {
        let planted =
            format!("fn main() {{\n {head} {{\n if true {{ }} else {{ {{\n var x: array<u32, (2u)>;\n}} }} }} }}");
        assert_eq!(found(&planted), ["4 x"], "{head}");
    }
    assert_eq!(found("fn main() { loop { a(); } var x: u32; }"), [""; 0]);
    assert_eq!(found("fn main() { for (var i = 0u; i < 2u; i++) { for (var j: u32; j < 2u; j++) {} } }"), ["1 j"]);
    assert_eq!(found("fn main() {\n loop {\n var x:\n array<u32,\n 2>; } }"), ["5 x"]);
}

#[test]
fn other_declarations_are_left() {
    for inner in ["var x = 0u;", "var x: u32 = 0u;", "let variable = x;", "// var x: u32;\n", "/* var x: u32; */"] {
        assert_eq!(found(&format!("fn main() {{ loop {{ {inner} }} }}")), [""; 0], "{inner}");
    }
    // Of a function, which a loop may call, and of a module.
    let called = "var<private> w: u32;\nfn f() { var x: u32; }\nfn main() { for_all(); loop { f(); } }";
    assert_eq!(found(called), [""; 0]);
}
