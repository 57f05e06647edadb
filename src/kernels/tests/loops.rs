//! Turns of the loops that drivers unroll, counted in the shaders: what kernels say of them is not less.

use naga::{BinaryOperator, Block, Expression, Function, Handle, Literal, LocalVariable, Module, Statement};

use super::super::Variant;
use super::{Listed, by_threads, parse};
use crate::method::reduction::MOST_TURNS_OF_ALL;

/// The turns after which llvmpipe ends all loops of an invocation.
const LIMIT: u64 = 65_535;

/// Turns of loops of constant length where none is unrolled. The one in which a loop ends counts too.
#[derive(Debug, Clone, Copy, Default)]
struct Turns {
    /// Outside of loops whose number depends on the layer, with the ends of those.
    once: u64,
    /// In one turn of such a loop, at most.
    within: u64,
}

impl Turns {
    fn and(self, other: Self) -> Self {
        Self { once: self.once + other.once, within: self.within.max(other.within) }
    }

    fn or(self, other: Self) -> Self {
        Self { once: self.once.max(other.once), within: self.within.max(other.within) }
    }
}

struct Counter<'a> {
    module: &'a Module,
    function: &'a Function,
}

impl Counter<'_> {
    fn of(module: &Module, function: &Function) -> Turns {
        Counter { module, function }.block(&function.body)
    }

    fn block(&self, block: &Block) -> Turns {
        let mut stored = None;
        let mut turns = Turns::default();
        for statement in block {
            turns = turns.and(match statement {
                Statement::Block(inner) => self.block(inner),
                Statement::If { accept, reject, .. } => self.block(accept).or(self.block(reject)),
                Statement::Switch { cases, .. } => {
                    cases.iter().map(|case| self.block(&case.body)).fold(Turns::default(), Turns::or)
                }
                Statement::Loop { body, continuing, .. } => {
                    let inner = self.block(body).and(self.block(continuing));
                    match self.count(body, continuing, stored) {
                        Some(count) => Turns { once: 1 + count * (1 + inner.once), within: inner.within },
                        None => Turns { once: 1, within: inner.within.max(inner.once) },
                    }
                }
                Statement::Call { function, .. } => Counter::of(self.module, &self.module.functions[*function]),
                _ => Turns::default(),
            });
            if let Statement::Store { pointer, value } = statement {
                stored = self.variable(*pointer).zip(self.number(*value));
            }
        }
        turns
    }

    /// How often `for (var i = first; i < end; i += step)` turns, where all three are constants.
    fn count(&self, body: &Block, continuing: &Block, stored: Option<(Handle<LocalVariable>, u64)>) -> Option<u64> {
        let condition = body.iter().find_map(|statement| match statement {
            Statement::If { condition, reject, .. } if matches!(reject.first(), Some(Statement::Break)) => {
                Some(*condition)
            }
            _ => None,
        })?;
        let Expression::Binary { op: BinaryOperator::Less, left, right } = self.function.expressions[condition] else {
            return None;
        };
        let (Expression::Load { pointer }, end) = (&self.function.expressions[left], self.number(right)?) else {
            return None;
        };
        let variable = self.variable(*pointer)?;
        let step = continuing.iter().find_map(|statement| match statement {
            Statement::Store { pointer, value } if self.variable(*pointer) == Some(variable) => {
                match self.function.expressions[*value] {
                    Expression::Binary { op: BinaryOperator::Add, right, .. } => self.number(right),
                    _ => None,
                }
            }
            _ => None,
        })?;
        let first = match stored {
            Some((of, first)) if of == variable => first,
            _ => self.number(self.function.local_variables[variable].init?)?,
        };
        Some(end.saturating_sub(first).div_ceil(step))
    }

    fn variable(&self, pointer: Handle<Expression>) -> Option<Handle<LocalVariable>> {
        match self.function.expressions[pointer] {
            Expression::LocalVariable(variable) => Some(variable),
            _ => None,
        }
    }

    fn number(&self, value: Handle<Expression>) -> Option<u64> {
        let global = &self.module.global_expressions;
        match self.function.expressions[value] {
            Expression::Literal(Literal::U32(value)) => Some(value.into()),
            Expression::Constant(constant) => match global[self.module.constants[constant].init] {
                Expression::Literal(Literal::U32(value)) => Some(value.into()),
                _ => None,
            },
            _ => None,
        }
    }
}

#[test]
fn unrolled_turns_are_as_kernels_say() {
    by_threads(&Variant::all(), |Listed { variant, unrolled, .. }| {
        let description = variant.describe();
        let (module, _) = parse(&description);
        let turns = Counter::of(&module, &module.entry_points[0].function);
        // Their turns count loops of constant length too, where that is the layer's.
        let counted = match variant {
            Variant::Accumulate(kernel) => kernel.turns_an_output(),
            Variant::SoftwareAccumulate(kernel) => kernel.turns_a_diagonal(),
            _ => 1,
        };
        let (label, said) = (description.label(), counted * (1 + unrolled));
        assert!(turns.within < said, "{label}: {turns:?}, said to be {unrolled} and {counted} counted");
        assert!(turns.once <= LIMIT - MOST_TURNS_OF_ALL, "{label}: {turns:?}");
        // Sums would be cut without need.
        assert!(said <= 3 * (1 + turns.within) + 8, "{label}: {turns:?}, said to be {unrolled} and {counted} counted");
    });
}
