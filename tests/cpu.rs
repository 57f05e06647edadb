//! The CPU executor against the reference.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::cases::cases;
use common::operands::Data;

#[test]
fn the_table_is_sound() {
    let mut names = std::collections::HashSet::new();
    for case in cases() {
        assert!(names.insert(case.name), "{} is there twice", case.name);
        let problem = case.problem();
        Data::integers(&problem, 0).operands().check(&problem).unwrap();
        assert!(problem.dense_multiply_adds() < 3_000_000, "{}: {}", case.name, problem.dense_multiply_adds());
        println!(
            "{:40} factor {:.2} row step {:?}",
            case.name,
            problem.sharing().factor(),
            problem.sharing().row_step()
        );
    }
    println!("{} cases", names.len());
}
