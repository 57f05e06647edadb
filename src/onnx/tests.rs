//! Small models, made of messages, and what becomes of them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop at what they did not expect")]

mod batch;
mod batch_axis;
mod blocks;
mod branch;
mod choices;
mod constants;
mod einsum;
mod gather;
mod hostile;
mod model;
mod moments;
mod moved;
mod names;
mod numbers;
mod odd;
mod old;
mod patterns;
mod pools;
mod products;
mod reduce;
mod refused;
mod repeat;
mod scatter;
mod selu;
mod standard;
mod tables;
mod tie;
mod turned;
mod wire;
