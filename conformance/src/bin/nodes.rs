//! Runs ONNX's node tests: passed, refused with a reason, or failed.
#![allow(clippy::print_stdout, reason = "a table is its purpose")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::Parser;
use comfy_table::{LineStyle, Table, TableStyle};
use conformance::{Case, Outcome, Runner, cases};
use filter_summary::onnx::{self, ModelNode};

/// Runs ONNX's node tests of the operators that are imported
#[derive(Parser)]
struct Args {
    /// The folder with `test_*` in it
    folder: PathBuf,

    /// Run them on the best adapter, not on the CPU
    #[arg(long)]
    gpu: bool,

    /// Only tests whose names have this in them
    #[arg(long, default_value = "")]
    only: String,

    /// Print every test
    #[arg(long)]
    all: bool,
}

/// A line below the header, and nothing else.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// Operators of which models compute constants.
const FOLDED: [&str; 5] = ["Constant", "ConstantOfShape", "Range", "Shape", "Size"];

/// Tests of an operator.
#[derive(Default)]
struct Row {
    passed: usize,
    worst: f64,
    refused: BTreeMap<String, usize>,
    failed: Vec<String>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("conformance: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Runs all, and says how many failed.
fn run(args: &Args) -> Result<usize> {
    let folders = cases(&args.folder)?;
    ensure!(!folders.is_empty(), "{}: there are no node tests", args.folder.display());
    let runner = if args.gpu { Runner::gpu()? } else { Runner::cpu() };
    let claimed: BTreeSet<&str> = onnx::operators().collect();
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    let (mut others, mut failed) = (0, 0);
    for folder in folders {
        let case = Case::read(&folder)?;
        // Some are of other domains' operators alone.
        let nodes = onnx::outline(&case.model).map(|outline| outline.nodes).unwrap_or_default();
        // Graphs written out count where all of their operators are read; they are tests of the last.
        let is_read = |node: &ModelNode| claimed.contains(node.operator.as_str());
        let (folded, read): (Vec<_>, Vec<_>) = nodes.iter().partition(|node| FOLDED.contains(&node.operator.as_str()));
        let last = read.last().filter(|_| read.iter().all(|node| is_read(node)));
        let is_known = folded.is_empty() || nodes.len() > 1;
        let Some(last) = last.filter(|_| is_known).map(|node| node.operator.clone()) else {
            others += 1;
            continue;
        };
        if !case.name.contains(&args.only) {
            continue;
        }
        let outcome = runner.run(&case);
        if args.all {
            println!("{}: {outcome:?}", case.name);
        }
        let row = rows.entry(last).or_default();
        match outcome {
            Outcome::Passed(fraction) => {
                row.passed += 1;
                row.worst = row.worst.max(fraction);
            }
            Outcome::Refused(reason) => *row.refused.entry(reason).or_default() += 1,
            Outcome::Failed(reason) => {
                failed += 1;
                row.failed.push(format!("{}: {reason}", case.name));
            }
        }
    }
    println!("{}", table(&rows));
    let passed: usize = rows.values().map(|row| row.passed).sum();
    let refused: usize = rows.values().flat_map(|row| row.refused.values()).sum();
    println!(
        "on {}: {passed} passed, {refused} refused, {failed} failed; {others} of other operators",
        runner.describe()
    );
    Ok(failed)
}

fn table(rows: &BTreeMap<String, Row>) -> String {
    let mut table = Table::new();
    table.load_style(STYLE).set_header(["operator", "passed", "of the bound", "refused", "failed", "why"]);
    for (operator, row) in rows {
        let refused: usize = row.refused.values().sum();
        let reasons = row.refused.iter().map(|(reason, count)| format!("{count}: {reason}"));
        let why: Vec<String> = row.failed.iter().map(|why| format!("FAILED {why}")).chain(reasons).collect();
        let (passed, failed) = (row.passed.to_string(), row.failed.len().to_string());
        table.add_row([
            operator,
            &passed,
            &format!("{:.2}", row.worst),
            &refused.to_string(),
            &failed,
            &why.join("\n"),
        ]);
    }
    table.trim_fmt()
}
