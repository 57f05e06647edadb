//! The software family: one subgroup a workgroup, everything in registers, weights
//! and neighbours exchanged by shuffles. Meant for software adapters, whose lanes are cheap and whose loads are not:
//! each load is a loop over lanes.

mod accumulate;
mod gather;
mod hankel;
mod products;
mod tile;

use super::Target;
use super::ask::Ask;
use super::cost::Costs;
use super::direct::{Direct, Dispatches};
use super::planner::Planner;
use super::shared::Products;
use crate::error::Result;
use gather::Gather;
use products::Form;
use tile::DISPATCH;

/// Subgroups of 4, 8 or 16 lanes, always the same.
pub(super) struct Software;

impl Planner for Software {
    fn lacks(&self, target: &Target) -> Option<&'static str> {
        let has_subgroups = target.features.contains(wgpu::Features::SUBGROUP)
            && matches!(target.subgroup_sizes(), [4, 4] | [8, 8] | [16, 16]);
        (!has_subgroups).then_some("wgpu's feature SUBGROUP, and subgroups of always 4, 8 or 16 lanes")
    }

    fn moves_words(&self, target: &Target) -> bool {
        target.moves_words()
    }

    fn hankel_levels(&self) -> &'static [Option<u32>] {
        // As expected; none; as many as there may be.
        &[None, Some(0), Some(u32::MAX)]
    }

    /// From the times of loads and stores on lavapipe, a multiply-add of gather being 0.12 ns there.
    /// Blended weights made gather 1.28 and 1.37 times slower against dense (128 channels, 16x16; 64, 32x32).
    fn costs(&self, _: &Target) -> Option<Costs> {
        Some(Costs {
            store: 8.0,
            row_tap: 1.0,
            finish: 10.0,
            row: 6.5,
            tap: 10.0,
            near_tap: 0.0,
            near_product: 0.0,
            dispatch: DISPATCH,
            blend: 0.3,
        })
    }

    fn direct(&self, direct: &Direct<'_>) -> Result<Dispatches> {
        // Dense filters are packed one after another: none has a value in common.
        let hankel_levels = if direct.dense { 0 } else { hankel::of_filters(&direct.ask) };
        Ok(Gather::new(direct, hankel_levels)?.dispatches())
    }

    fn products(&self, ask: Ask<'_>) -> Result<Box<dyn Products>> {
        Ok(Box::new(Form::new(&ask)?))
    }
}
