use super::boards::BOARDS;
use super::{Bound, Hardware, LAUNCH};
use crate::kernels::Work;
use crate::plan::vendor::Vendor;

fn processors(name: &str) -> Option<u32> {
    Hardware::named(name).map(|hardware| hardware.processors)
}

#[test]
fn boards_are_found_by_the_names_that_adapters_have() {
    let cases = [
        ("NVIDIA GeForce RTX 3090", Some(82)),
        ("NVIDIA GeForce RTX 3090 Ti", Some(84)),
        ("NVIDIA GeForce RTX 4070 Ti SUPER", Some(66)),
        ("NVIDIA H200", Some(132)),
        ("NVIDIA H100 80GB HBM3", Some(132)),
        ("NVIDIA A100-SXM4-40GB", Some(108)),
        ("Tesla T4", Some(40)),
        ("AMD Radeon RX 6800 XT (RADV NAVI21)", Some(72)),
        ("AMD Radeon RX 7900 XTX", Some(96)),
        ("Intel(R) Arc(tm) A770 Graphics (DG2)", Some(32)),
        ("Apple M1", Some(8)),
        ("Apple M1 Max", Some(32)),
        ("Apple M1 (G13G A0)", Some(8)),
        ("Turnip Adreno (TM) 730", Some(4)),
        ("NVIDIA A100-SXM4-80GB", Some(108)),
        ("NVIDIA RTX 6000 Ada Generation", Some(142)),
        ("Apple M2 Ultra", Some(76)),
        ("Apple M4 Max", Some(40)),
        ("ANGLE (NVIDIA, NVIDIA GeForce GTX 1660 (0x2184) Direct3D11 vs_5_0 ps_5_0, D3D11)", Some(22)),
        // Other boards than those with the same beginning.
        ("NVIDIA GeForce RTX 4090 D", None),
        ("NVIDIA GeForce GTX 1650 Ti", None),
        ("AMD Radeon RX 9070 GRE", None),
        ("Radeon RX 580 2048SP", None),
        ("Apple M5 Pro", None),
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", None),
        ("Quadro RTX 6000", None),
        ("Intel(R) Arc(TM) Graphics", None),
        ("NVIDIA RTX A400", None),
        ("NVIDIA GeForce RTX 3090 Laptop GPU", None),
        ("AMD Radeon RX 6800M", None),
        ("Apple M12", None),
        ("llvmpipe (LLVM 19.1.7, 256 bits)", None),
        ("", None),
    ];
    for (name, expected) in cases {
        assert_eq!(processors(name), expected, "{name}");
    }
}

#[test]
fn every_board_is_found_by_its_own_name_and_has_peaks() {
    for board in &BOARDS {
        let hardware = Hardware::of(board);
        assert_eq!(Hardware::named(board.name), Some(hardware), "{}", board.name);
        let teraflops = 2e-12 * f64::from(hardware.processors * hardware.lanes) * hardware.clock;
        assert!((1.0..130.0).contains(&teraflops), "{}: {teraflops}", board.name);
        assert!((5e10..5e12).contains(&hardware.memory), "{}", board.name);
    }
}

/// `isa/gpus.json` has the same numbers, for predictions from machine code.
#[test]
fn the_gpus_that_kernels_are_compiled_for_are_boards() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("isa/gpus.json");
    let table: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for entry in table.as_array().unwrap() {
        let board = entry["board"].as_str().unwrap().replace("Intel Arc A770", "Intel Arc TM A770 Graphics");
        let board = board.replace("Adreno 730", "Adreno TM 730");
        let hardware = Hardware::named(&board).unwrap_or_else(|| panic!("{board} is no board"));
        let number = |name: &str| entry[name].as_f64().unwrap_or(0.0);
        let ours = [hardware.processors, hardware.lanes, hardware.workgroup_bytes, hardware.matrices].map(f64::from);
        assert_eq!(ours, ["processors", "lanes", "workgroup_bytes", "matrix"].map(number), "{board}");
        assert_eq!([hardware.clock, hardware.memory], ["clock", "memory"].map(number), "{board}");
    }
}

const HARDWARE: Hardware =
    Hardware { processors: 10, lanes: 64, clock: 1e9, memory: 1e11, workgroup_bytes: 128, matrices: 512 };

fn predict(work: Work, workgroups: u64, bytes: f64) -> super::Prediction {
    HARDWARE.predict(Vendor::Amd, &work, 256, workgroups, bytes)
}

#[test]
fn what_takes_longest_is_the_bound() {
    let slots = |vector| Work { vector, ..Work::default() };
    // 10 x 256 threads of 64,000 slots on 10 x 64 lanes of 1 GHz.
    let prediction = predict(slots(64e3), 10, 1.0);
    assert_eq!(prediction.bound(), Bound::Arithmetic);
    assert!((prediction.seconds() - LAUNCH - 256e-6).abs() < 1e-12, "{prediction:?}");
    // An eleventh workgroup keeps one processor busy as long again.
    assert!((predict(slots(64e3), 11, 1.0).seconds() - LAUNCH - 512e-6).abs() < 1e-12);
    let prediction = predict(slots(64e3), 10, 1e8);
    assert_eq!(prediction.bound(), Bound::Memory);
    assert!((prediction.seconds() - LAUNCH - 1e-3).abs() < 1e-12, "{prediction:?}");
    let near = Work { workgroup_bytes: 256e3, ..slots(64e3) };
    assert_eq!(predict(near, 10, 1.0).bound(), Bound::WorkgroupMemory);
    assert_eq!(predict(slots(1.0), 10, 1.0).bound(), Bound::Launch);
}

#[test]
fn too_few_threads_leave_a_processor_waiting() {
    let work = Work { vector: 64e3, registers: 256, ..Work::default() };
    // 65,536 registers: one workgroup of 256 threads at a time.
    assert_eq!(predict(work, 40, 0.0).fill, 1.0);
    let halved = HARDWARE.predict(Vendor::Amd, &work, 64, 20, 0.0);
    assert_eq!(halved.fill, 0.5, "two of 64 threads a processor");
}

#[test]
fn matrices_are_multiplied_beside_other_instructions_or_not() {
    let work = Work { vector: 1000.0, matrices: 16e3, ..Work::default() };
    let slots = |vendor| HARDWARE.predict(vendor, &work, 256, 10, 0.0).arithmetic * 64e9 / 256.0;
    // 16,000 at 8 a lane.
    assert!((slots(Vendor::Nvidia) - 2000.0).abs() < 1e-6);
    assert!((slots(Vendor::Amd) - 3000.0).abs() < 1e-6);
}
