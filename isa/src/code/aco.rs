//! AMD's instructions as ACO (and LLVM) writes them: `v_fmac_f32_e32 v63, v105, v129 ; 567f0369`, blocks as `BB7:`.

use super::{Jumps, Kind, Operation, Program, Waits};

/// Waves of 64 lanes share a matrix.
const LANES: u32 = 64;

/// Reads a program.
pub(super) fn read(text: &str) -> Program {
    let mut operations = Vec::new();
    let mut jumps = Jumps::default();
    for line in text.lines() {
        let line = line.split(';').next().unwrap_or(line).trim();
        if let Some(label) = line.strip_suffix(':') {
            jumps.label(label, operations.len());
            continue;
        }
        let mut words = line.split_whitespace();
        let Some(name) = words.next() else { continue };
        if name.starts_with("s_cbranch") || name == "s_branch" {
            jumps.jump(words.next().unwrap_or_default(), operations.len());
        }
        // Two at once stand in a line.
        for half in line.split("::") {
            let name = half.split_whitespace().next().unwrap_or(name);
            for _ in 0..halves(name) {
                operations.push(Operation { waits: waits(name, half), ..Operation::new(kind(name)) });
            }
        }
    }
    Program { operations, loops: jumps.loops, skipped: jumps.skipped }
}

/// Packed arithmetic of f32 does two, in the time of two.
fn halves(name: &str) -> u32 {
    if name.starts_with("v_pk_") && name.contains("_f32") { 2 } else { 1 }
}

fn kind(name: &str) -> Kind {
    let vector = name.strip_prefix("v_").map(|rest| {
        let rest = rest.strip_prefix("dual_").or(rest.strip_prefix("pk_")).unwrap_or(rest);
        match rest {
            _ if rest.starts_with("wmma_") || rest.starts_with("mfma_") => Kind::Matrix(matrix(rest)),
            _ if ["fma_f32", "fmac_f32", "fmaak_f32", "fmamk_f32", "fma_mix_f32", "mad_f32", "mac_f32"]
                .iter()
                .chain(&["madak_f32", "madmk_f32", "mad_mix_f32", "fma_f16", "fmac_f16"])
                .any(|begin| rest.starts_with(begin)) =>
            {
                Kind::MultiplyAdd
            }
            _ if rest.starts_with("add_f32") => Kind::Addition,
            _ if ["mul_lo_u32", "mul_lo_i32", "mul_hi_u32", "mul_hi_i32", "mad_u64_u32", "mad_i64_i32"]
                .iter()
                .chain(&["mad_co_u64_u32", "mad_nc_u64_u32"])
                .any(|begin| rest.starts_with(begin)) =>
            {
                Kind::IntegerProduct
            }
            "nop" => Kind::Other,
            _ => Kind::Vector,
        }
    });
    if let Some(kind) = vector {
        return kind;
    }
    let begins = |begin: &str| name.starts_with(begin);
    match name {
        _ if begins("ds_read") || begins("ds_load") => Kind::WorkgroupLoad(bytes(name)),
        _ if begins("ds_write") || begins("ds_store") => Kind::WorkgroupStore(bytes(name)),
        _ if begins("scratch_") => Kind::Spill,
        _ if ["buffer_load", "global_load", "flat_load", "tbuffer_load", "image_load"]
            .iter()
            .any(|load| begins(load)) =>
        {
            Kind::Load
        }
        _ if begins("buffer_") || begins("global_") || begins("flat_") || begins("tbuffer_") => Kind::Store,
        _ if ["s_waitcnt", "s_wait_", "s_cbranch", "s_branch", "s_barrier", "s_clause", "s_nop", "s_delay_alu"]
            .iter()
            .chain(&["s_endpgm", "s_inst_prefetch", "s_set_inst_prefetch", "s_sendmsg", "s_code_end"])
            .any(|other| begins(other)) =>
        {
            Kind::Other
        }
        _ if begins("s_") => Kind::Scalar,
        _ => Kind::Other,
    }
}

/// Multiply-adds a lane of `wmma_f32_16x16x16_f16`.
fn matrix(rest: &str) -> u32 {
    let sizes = rest.split('_').find(|word| word.contains('x')).unwrap_or_default();
    sizes.split('x').filter_map(|size| size.parse::<u32>().ok()).product::<u32>() / LANES
}

/// Of `ds_load_b128`, `ds_read2_b32`, `ds_load_2addr_stride64_b32`.
fn bytes(name: &str) -> u32 {
    let bits = name.rsplit('_').find_map(|word| word.trim_start_matches(['b', 'u', 'i']).parse::<u32>().ok());
    let two = name.contains("read2") || name.contains("write2") || name.contains("2addr");
    bits.unwrap_or(32) / 8 * if two { 2 } else { 1 }
}

fn waits(name: &str, line: &str) -> Waits {
    if name.starts_with("s_wait_loadcnt") {
        let number = line.split_whitespace().nth(1).and_then(|word| word.parse().ok());
        return Waits::AllBut(number.unwrap_or(0));
    }
    if !name.starts_with("s_wait") {
        return Waits::Nothing;
    }
    let number = line.split_once("vmcnt(").and_then(|(_, rest)| rest.split(')').next()?.parse().ok());
    number.map_or(Waits::Else, Waits::AllBut)
}
