//! Instructions of real machine code, cut short, with exact counts.

use super::{Loop, Program, aco, agx, brw, ir3, nak};
use crate::counts::{Counts, main_round};

const ACO: &str = include_str!("tests/aco.s");
const NAK: &str = include_str!("tests/nak.s");
const AGX: &str = include_str!("tests/agx.txt");
const BRW: &str = include_str!("tests/brw.s");
const IR3: &str = include_str!("tests/ir3.s");

/// The main loop's counts; nothing is expected of it.
fn main(program: &Program) -> Counts {
    main_round(program, 0.0).unwrap().done
}

#[test]
fn amds_loop_is_counted() {
    let program = aco::read(ACO);
    assert_eq!(program.loops.len(), 1);
    let expected = Counts {
        // Three alone, two in a pair, one beside a move.
        multiply_adds: 6,
        additions: 1,
        // The addition, the move, an address and a mask.
        vector: 4,
        integer_products: 1,
        scalar: 2,
        loads: 3,
        workgroup_loads: 2,
        workgroup_stores: 1,
        workgroup_bytes_read: 8 + 8,
        workgroup_bytes_written: 16,
        waits: 4,
        // 25 lines, of which two are pairs; the clause, the branches, the barrier and the waits are some of them.
        instructions: 27,
        // `vmcnt(1)` before the first multiply-add; `vmcnt(0)` stands behind it.
        loads_waited_for: 2,
        ..Counts::default()
    };
    assert_eq!(main(&program), expected);
    assert_eq!(expected.vector_slots(), 6 + 4 + 4);
    assert_eq!(expected.lane_slots(), 6 + 4 + 4 + 6);
    let whole = Counts::of(&program.operations);
    assert_eq!((whole.integer_products, whole.stores), (2, 1));
}

#[test]
fn amds_matrices_and_packed_products_are_counted() {
    let text = "\tv_wmma_f32_16x16x16_f16 v[104:107], v[248:255], v[30:37], v[104:107] ; cc404068\n\
        \tv_pk_fma_f32 v[0:1], v[2:3], v[4:5], v[0:1]\n\tds_load_2addr_stride64_b32 v[0:1], v2 offset1:1\n\
        \ts_wait_loadcnt 0x0\n\tscratch_load_b32 v1, off, s0\n";
    let counts = Counts::of(&aco::read(text).operations);
    assert_eq!((counts.matrices, counts.matrix_multiply_adds), (1, 16 * 16 * 16 / 64));
    assert_eq!((counts.multiply_adds, counts.workgroup_bytes_read), (2, 8));
    assert_eq!((counts.waits, counts.spills), (1, 1));
}

/// What follows the loop stands in its midst.
#[test]
fn nvidias_loop_is_counted() {
    let program = nak::read(NAK);
    assert_eq!(program.loops, [Loop(vec![1..3, 5..11, 11..18])]);
    let expected = Counts {
        multiply_adds: 2,
        additions: 1,
        // The addition and a mask.
        vector: 2,
        integer_products: 1,
        scalar: 1,
        loads: 2,
        workgroup_loads: 1,
        workgroup_stores: 1,
        workgroup_bytes_read: 16,
        workgroup_bytes_written: 8,
        waits: 4,
        instructions: 15,
        // The second is waited for behind the multiply-adds.
        loads_waited_for: 1,
        ..Counts::default()
    };
    assert_eq!(main(&program), expected);
    let matrix = nak::read("      r0..4 = hmma.m16n8k16.f32 r4..8 r8..10 r0..4 // delay=1\n");
    assert_eq!(Counts::of(&matrix.operations).matrix_multiply_adds, 16 * 8 * 16 / 32);
}

#[test]
fn apples_loop_is_counted() {
    let program = agx::read(AGX);
    assert_eq!(program.loops, [Loop::of(2..14)]);
    // The second listing is the preamble's.
    assert_eq!(program.operations.len(), 15);
    let expected = Counts {
        multiply_adds: 2,
        additions: 1,
        vector: 2,
        integer_products: 1,
        loads: 2,
        workgroup_loads: 1,
        workgroup_stores: 1,
        workgroup_bytes_read: 16,
        workgroup_bytes_written: 16,
        spills: 1,
        waits: 1,
        instructions: 12,
        loads_waited_for: 1,
        ..Counts::default()
    };
    assert_eq!(main(&program), expected);
}

#[test]
fn adrenos_loop_is_counted() {
    let program = ir3::read(IR3);
    assert_eq!(program.loops.len(), 1);
    let counts = main(&program);
    assert_eq!((counts.multiply_adds, counts.loads, counts.workgroup_bytes_read), (3, 1, 16));
    // A branch, a load, two multiply-adds in one, a load, one, three in one, a jump.
    assert_eq!((counts.instructions, counts.loads_waited_for), (10, 1));
}

#[test]
fn intels_loop_is_counted() {
    let program = brw::read(BRW);
    assert_eq!(program.loops.len(), 1);
    let expected = Counts {
        multiply_adds: 2,
        additions: 1,
        // The addition, an address, two moves of eight lanes.
        vector: 3,
        // Two moves of a lane.
        scalar: 1,
        loads: 2,
        workgroup_loads: 1,
        workgroup_stores: 1,
        workgroup_bytes_read: 16,
        workgroup_bytes_written: 16,
        waits: 3,
        // Those, and six that branch or wait, of eight lanes' time.
        instructions: 13,
        // The second is waited for behind the multiply-adds.
        loads_waited_for: 1,
        ..Counts::default()
    };
    assert_eq!(main(&program), expected);
    // Twice eight lanes, where the tap changes.
    assert_eq!(Counts::of(&program.operations).integer_products, 1);
}

#[test]
fn intels_halves_of_32_lanes_are_one() {
    let text = "mad(16)  g8<1>F  g5<8,8,1>F  g4<8,8,1>F  g3<1,1,1>F { align1 1H };\n\
        mad(16)  g9<1>F  g6<8,8,1>F  g4<8,8,1>F  g3<1,1,1>F { align1 2H };\n\
        mad(32)  g8<1>HF  g5<8,8,1>HF  g4<8,8,1>HF  g3<1,1,1>HF { align1 };\n\
        send(16)  g3UD  g9UD  nullUD  0x0\n  slm MsgDesc: ( load, a32, d16u32, V2, flat ) { align1 1H $1 };\n\
        send(16)  g5UD  g7UD  nullUD  0x0\n  slm MsgDesc: ( load, a32, d16u32, V2, flat ) { align1 2H $2 };\n\
        send(1)  g7UD  g6UD  nullUD  0x0\n  slm MsgDesc: ( load, a32, d32, V64, transpose ) { align1 WE_all 1N $3 };\n\
        send(16)  nullUD  g6UD  g1UD  0x0\n  ugm MsgDesc: ( store, a32, d32, V1, ss ) { align1 1H $4 };\n\
        send(16)  nullUD  g6UD  g1UD  0x0\n  ugm MsgDesc: ( store, a32, d32, V1, ss ) { align1 2H $5 };\n";
    let counts = Counts::of(&brw::read(text).operations);
    assert_eq!((counts.multiply_adds, counts.workgroup_loads, counts.spills), (2, 2, 1));
    // Two halves, and a word a lane of what is loaded for all.
    assert_eq!((counts.workgroup_bytes_read, counts.instructions), (4 + 8, 5));
}

/// An inner loop that was left rolled counts as often as it turns.
#[test]
fn rolled_loops_count_as_often_as_they_turn() {
    // And the last round stands behind.
    let text = "BB1:\n\tbuffer_load_dword v2, v2, s[0:3], 0\nBB2:\n\tv_fmac_f32_e32 v0, v1, v2\n\
        \tv_mov_b32_e32 v1, v2\n\ts_cbranch_scc1 BB2\n\tv_mov_b32_e32 v1, v2\n\ts_branch BB1\n\
        BB3:\n\tv_fmac_f32_e32 v0, v1, v2\n\ts_cbranch_scc1 BB3\n";
    let program = aco::read(text);
    let counts = |expected| {
        let round = main_round(&program, expected).unwrap();
        (round.done.multiply_adds, round.done.vector, round.done.loads, round.text.multiply_adds)
    };
    assert_eq!(counts(4.0), (4, 5, 1, 1));
    // The shorter of two that do as much.
    assert_eq!(counts(1.0), (1, 0, 0, 1));
}
