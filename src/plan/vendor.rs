//! Who made a GPU: their compilers hold differently many sums in registers, and need differently many instructions.

use crate::kernels::Work;

/// Of those whose compilers plans know something about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Vendor {
    Amd,
    Apple,
    Arm,
    Intel,
    Nvidia,
    Qualcomm,
    /// A browser that does not say.
    Hidden,
    /// Software, and all that is not listed here.
    #[default]
    Other,
}

/// By PCI and by name, which is asked where the id says nothing: Metal and browsers give 0, Mesa's driver for Apple's
/// GPUs an id of Mesa's own.
const VENDORS: [(Vendor, u32, &[&str]); 6] = [
    (Vendor::Amd, 0x1002, &["amd", "radeon"]),
    (Vendor::Apple, 0x106b, &["apple"]),
    (Vendor::Arm, 0x13b5, &["mali", "immortalis"]),
    (Vendor::Intel, 0x8086, &["intel"]),
    (Vendor::Nvidia, 0x10de, &["nvidia", "geforce"]),
    (Vendor::Qualcomm, 0x5143, &["adreno"]),
];

impl Vendor {
    /// By PCI.
    pub(super) fn of_id(id: u32) -> Option<Self> {
        VENDORS.iter().find(|(_, known, _)| *known == id).map(|&(vendor, ..)| vendor)
    }

    pub(super) fn of(info: &wgpu::AdapterInfo) -> Self {
        if info.device_type == wgpu::DeviceType::Cpu {
            return Self::Other;
        }
        if let Some(vendor) = Self::of_id(info.vendor) {
            return vendor;
        }
        let name = info.name.to_lowercase();
        let named = VENDORS.iter().find(|(_, _, words)| words.iter().any(|word| name.contains(word)));
        match (named, info.backend) {
            (Some(&(vendor, ..)), _) => vendor,
            // Others have names, on the Macs that had them.
            (None, wgpu::Backend::Metal) => Self::Apple,
            (None, wgpu::Backend::BrowserWebGpu) => Self::Hidden,
            (None, _) => Self::Other,
        }
    }

    /// Slots of a processor's issue that a thread's work takes. Counted (`benches/results/isa-26.1.6/table.md`).
    pub(super) fn slots(self, work: &Work) -> f64 {
        let Work { vector, values, beside, .. } = work;
        match self {
            // What is not a vector's is issued beside those; addresses are mostly scalar.
            Self::Amd => vector + 0.5 * values,
            // What is in workgroup memory is loaded one by one, and has addresses of its own.
            Self::Apple => vector + 4.0 * values + 4.5 * beside,
            // Addresses of 64 bits, a value at a time.
            _ => vector + 6.5 * values + beside,
        }
    }

    /// Whether matrices are multiplied beside other instructions, or by the unit that has those too.
    pub(super) fn has_matrices_beside(self) -> bool {
        self != Self::Amd
    }

    /// Most sums of f32 that its compilers keep in registers, a thread, with what loops over tiles need beside them:
    /// counted, with Mesa 26.1.6 (`benches/results/isa-26.1.6/fused.md`), but where it is said.
    pub(super) fn most_sums(self) -> u32 {
        match self {
            // M1: 48 take 231 of 255 halves; 64 spill 4 to 10.
            Self::Apple => 48,
            // Arc A770 and Battlemage: 48 spill 35 and more.
            Self::Intel => 36,
            // Not counted. Bifrost and Valhall have 64 registers a thread, and threads by the half where more than 32
            // are used.
            Self::Arm => 32,
            // Most of those whom browsers run on have integrated GPUs, and spills cost more than smaller tiles do: the
            // least that was counted.
            Self::Hidden => 36,
            // navi21, navi31, vega10; sm86; Adreno 730: no tile has more than 72, and none spills to memory. Others
            // have what they had before anything was counted.
            Self::Amd | Self::Nvidia | Self::Qualcomm | Self::Other => 72,
        }
    }

    /// The same for tiles of an implicit GEMM, with the values that are loaded while a step is multiplied: columns
    /// `in_quads`, or pixel by pixel, which takes registers for their places. Counted by `cargo xtask isa`, with texts
    /// of all tiles.
    pub(super) fn most_values_of_gemm(self, in_quads: bool) -> u32 {
        match (self, in_quads) {
            // M1: 9x8 sums spill 54; where pixels have places, 8x8 sums spill 12, and 3 in 256 threads.
            (Self::Apple, true) => 80,
            (Self::Apple, false) => 68,
            // Arc A770: 4x8 sums of 64 threads spill 5 where pixels have places; the others were not counted.
            (Self::Intel | Self::Arm | Self::Hidden, true) => 48,
            (Self::Intel | Self::Arm | Self::Hidden, false) => 40,
            // The most that there is.
            (Self::Amd | Self::Nvidia | Self::Qualcomm | Self::Other, _) => 92,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(vendor: u32, name: &str, backend: wgpu::Backend) -> Vendor {
        let info = wgpu::AdapterInfo::new(wgpu::DeviceType::Other, backend);
        Vendor::of(&wgpu::AdapterInfo { vendor, name: name.to_owned(), ..info })
    }

    #[test]
    fn ids_count_before_names_and_names_before_backends() {
        use wgpu::Backend::{BrowserWebGpu, Metal, Vulkan};
        let cases = [
            (0x8086, "Intel(R) Arc(tm) A770 Graphics (DG2)", Vulkan, Vendor::Intel),
            (0x1002, "AMD Radeon RX 6800 (RADV NAVI21)", Vulkan, Vendor::Amd),
            (0x10de, "", Vulkan, Vendor::Nvidia),
            (0x13b5, "", Vulkan, Vendor::Arm),
            (0x5143, "Turnip Adreno (TM) 730", Vulkan, Vendor::Qualcomm),
            (0x1002, "Apple", Vulkan, Vendor::Amd),
            // An id of Mesa's.
            (0x10005, "Apple M1 (G13G A0)", Vulkan, Vendor::Apple),
            (0x10005, "V3D 7.1.7", Vulkan, Vendor::Other),
            (0, "Apple M3", Metal, Vendor::Apple),
            (0, "AMD Radeon Pro 5500M", Metal, Vendor::Amd),
            (0, "Intel(R) UHD Graphics 630", Metal, Vendor::Intel),
            (0, "", Metal, Vendor::Apple),
            (0, "", BrowserWebGpu, Vendor::Hidden),
            (0, "NVIDIA GeForce RTX 4070", BrowserWebGpu, Vendor::Nvidia),
            (0, "", Vulkan, Vendor::Other),
        ];
        for (id, name, backend, vendor) in cases {
            assert_eq!(of(id, name, backend), vendor, "{id:x} {name} {backend:?}");
        }
    }

    #[test]
    fn software_has_no_vendor() {
        let info = wgpu::AdapterInfo::new(wgpu::DeviceType::Cpu, wgpu::Backend::BrowserWebGpu);
        assert_eq!(Vendor::of(&info), Vendor::Other);
        let info = wgpu::AdapterInfo { vendor: 0x8086, ..info };
        assert_eq!(Vendor::of(&info), Vendor::Other);
    }
}
