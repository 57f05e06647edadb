//! A Vulkan driver as a compiler: the first device, opened with what wgpu switches on so far as it bears on compute,
//! and what it tells of the pipelines that it makes.
//!
//! # Why this is sound
//! Every call hands over what this module has made: handles from a call that succeeded, of the same instance and device,
//! not yet destroyed (`Driver` owns both, and drops the device first; pipelines and what they are made of live within
//! one call of [`Driver::compile`]); structures whose pointers lead to locals that outlive the call. Nothing is
//! submitted, so that nothing on the device can be in use. Threads do not share it: `Driver` is neither `Send` nor given
//! away. SPIR-V comes from naga, after its validation. Features are enabled only where the driver lists them.
#![allow(unsafe_code, reason = "Vulkan is a C interface; the argument stands above")]

use std::ffi::{CStr, c_char};

use ash::vk;
use serde_json::{Map, Value, json};

use crate::fault::Result;
use crate::translate::{Binding, Shader};

/// An open device.
pub(crate) struct Driver {
    // The library must stay loaded as long as the others are there.
    _entry: ash::Entry,
    instance: ash::Instance,
    device: ash::Device,
    executables: ash::khr::pipeline_executable_properties::Device,
    pub(crate) about: About,
}

/// What a driver says of itself.
pub(crate) struct About {
    pub(crate) device: String,
    pub(crate) driver: String,
    pub(crate) api: u32,
    pub(crate) workgroup_memory: u32,
    pub(crate) threads: u32,
    pub(crate) subgroups: [u32; 2],
    pub(crate) has_matrices: bool,
    pub(crate) has_halves: bool,
}

/// One executable of a pipeline.
pub(crate) struct Executable {
    pub(crate) name: String,
    pub(crate) subgroup: u32,
    pub(crate) statistics: Map<String, Value>,
    /// Texts by their names, of which one is the machine code.
    pub(crate) texts: Vec<(String, String)>,
}

impl Driver {
    /// Opens the first device that the loader finds.
    pub(crate) fn open() -> Result<Self> {
        // SAFETY: see above; the loader is the one in the library path, chosen by whoever runs this.
        let entry = unsafe { ash::Entry::load() }.map_err(|error| format!("no Vulkan loader: {error}"))?;
        let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_3);
        let create = vk::InstanceCreateInfo::default().application_info(&application);
        // SAFETY: see above.
        let instance = unsafe { entry.create_instance(&create, None) }.map_err(call("vkCreateInstance"))?;
        match open(&instance) {
            Ok((device, about)) => {
                let executables = ash::khr::pipeline_executable_properties::Device::new(&instance, &device);
                Ok(Self { _entry: entry, instance, device, executables, about })
            }
            Err(error) => {
                // SAFETY: nothing was made of it.
                unsafe { instance.destroy_instance(None) };
                Err(error)
            }
        }
    }

    /// Makes a pipeline, and asks about it.
    pub(crate) fn compile(&self, shader: &Shader) -> Result<Vec<Executable>> {
        let bindings: Vec<_> = shader.bindings.iter().map(|&(number, kind)| layout_binding(number, kind)).collect();
        let set = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
        let code = vk::ShaderModuleCreateInfo::default().code(&shader.words);
        // SAFETY: see above; what is made is destroyed in reverse order, also where the next cannot be made.
        unsafe {
            let set = self.device.create_descriptor_set_layout(&set, None).map_err(call("a layout"))?;
            let sets = [set];
            let layout = vk::PipelineLayoutCreateInfo::default().set_layouts(&sets);
            let layout = self.device.create_pipeline_layout(&layout, None).map_err(call("a pipeline's layout"));
            let module = self.device.create_shader_module(&code, None).map_err(call("a module"));
            let found = match (&layout, &module) {
                (Ok(layout), Ok(module)) => self.pipeline(*layout, *module),
                (Err(error), _) | (_, Err(error)) => Err(error.clone()),
            };
            module.into_iter().for_each(|module| self.device.destroy_shader_module(module, None));
            layout.into_iter().for_each(|layout| self.device.destroy_pipeline_layout(layout, None));
            self.device.destroy_descriptor_set_layout(set, None);
            found
        }
    }

    fn pipeline(&self, layout: vk::PipelineLayout, module: vk::ShaderModule) -> Result<Vec<Executable>> {
        let stage = vk::PipelineShaderStageCreateInfo::default()
            .stage(vk::ShaderStageFlags::COMPUTE)
            .module(module)
            .name(c"main")
            .flags(vk::PipelineShaderStageCreateFlags::ALLOW_VARYING_SUBGROUP_SIZE);
        let flags = vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR
            | vk::PipelineCreateFlags::CAPTURE_INTERNAL_REPRESENTATIONS_KHR;
        let create = [vk::ComputePipelineCreateInfo::default().flags(flags).stage(stage).layout(layout)];
        // SAFETY: see above.
        let made = unsafe { self.device.create_compute_pipelines(vk::PipelineCache::null(), &create, None) };
        let pipelines = made.map_err(|(_, error)| format!("vkCreateComputePipelines: {error}"))?;
        let found = pipelines.first().map_or(Ok(Vec::new()), |&pipeline| self.ask(pipeline));
        // SAFETY: see above.
        pipelines.iter().for_each(|&pipeline| unsafe { self.device.destroy_pipeline(pipeline, None) });
        found
    }

    fn ask(&self, pipeline: vk::Pipeline) -> Result<Vec<Executable>> {
        let about = vk::PipelineInfoKHR::default().pipeline(pipeline);
        // SAFETY: the pipeline was made with both flags that questions need, on a device with the extension.
        let properties = unsafe { self.executables.get_pipeline_executable_properties(&about) };
        let properties = properties.map_err(call("executables"))?;
        let of_index = |(index, properties): (usize, &vk::PipelineExecutablePropertiesKHR<'_>)| {
            let which = vk::PipelineExecutableInfoKHR::default().pipeline(pipeline).executable_index(index as u32);
            // SAFETY: the same, and the index is one of those just listed.
            let statistics = unsafe { self.executables.get_pipeline_executable_statistics(&which) };
            let statistics = statistics.map_err(call("statistics"))?;
            Ok(Executable {
                name: text(&properties.name),
                subgroup: properties.subgroup_size,
                statistics: statistics.iter().map(|one| (text(&one.name), value(one))).collect(),
                texts: self.texts(&which)?,
            })
        };
        properties.iter().enumerate().map(of_index).collect()
    }

    fn texts(&self, which: &vk::PipelineExecutableInfoKHR<'_>) -> Result<Vec<(String, String)>> {
        let fetch = self.executables.fp().get_pipeline_executable_internal_representations_khr;
        let device = self.device.handle();
        let mut count = 0u32;
        // SAFETY: a null pointer asks for the number.
        let status = unsafe { fetch(device, which, &mut count, std::ptr::null_mut()) };
        status.result().map_err(call("texts"))?;
        let mut all = vec![vk::PipelineExecutableInternalRepresentationKHR::default(); count as usize];
        // SAFETY: there is room for `count`; null data asks for sizes.
        unsafe { fetch(device, which, &mut count, all.as_mut_ptr()) }.result().map_err(call("texts"))?;
        let mut stores: Vec<Vec<u8>> = all.iter().map(|one| vec![0; one.data_size]).collect();
        for (one, store) in all.iter_mut().zip(&mut stores) {
            one.p_data = store.as_mut_ptr().cast();
        }
        // SAFETY: every store has the size that was asked for, and outlives the call.
        unsafe { fetch(device, which, &mut count, all.as_mut_ptr()) }.result().map_err(call("texts"))?;
        let of_store = |store: &[u8]| {
            let end = store.iter().position(|&byte| byte == 0).unwrap_or(store.len());
            String::from_utf8_lossy(&store[..end]).into_owned()
        };
        Ok(all.iter().zip(&stores).map(|(one, store)| (text(&one.name), of_store(store))).collect())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // SAFETY: see above: all that was made of them is gone.
        unsafe {
            self.device.destroy_device(None);
            self.instance.destroy_instance(None);
        }
    }
}

fn open(instance: &ash::Instance) -> Result<(ash::Device, About)> {
    // SAFETY: see above, for every call of this function; structures are chained anew for every call.
    unsafe {
        let found = instance.enumerate_physical_devices().map_err(call("vkEnumeratePhysicalDevices"))?;
        let physical = *found.first().ok_or("the driver has no device")?;
        let mut sizes = vk::PhysicalDeviceSubgroupSizeControlProperties::default();
        let mut driver = vk::PhysicalDeviceDriverProperties::default();
        let mut properties = vk::PhysicalDeviceProperties2::default().push_next(&mut sizes).push_next(&mut driver);
        instance.get_physical_device_properties2(physical, &mut properties);
        let core = properties.properties;
        let extensions =
            instance.enumerate_device_extension_properties(physical).map_err(call("a device's extensions"))?;
        let has = |name: &CStr| extensions.iter().any(|one| one.extension_name_as_c_str() == Ok(name));
        let executables = ash::khr::pipeline_executable_properties::NAME;
        if !has(executables) {
            return Err(format!("{} has no {}", text(&core.device_name), executables.to_string_lossy()));
        }
        let (robustness, matrices) = (ash::ext::robustness2::NAME, ash::khr::cooperative_matrix::NAME);
        let (has_robustness, has_matrices) = (has(robustness), has(matrices));
        let mut vulkan11 = vk::PhysicalDeviceVulkan11Features::default();
        let mut vulkan12 = vk::PhysicalDeviceVulkan12Features::default();
        let mut subgroups = vk::PhysicalDeviceSubgroupSizeControlFeatures::default();
        let mut told = vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default();
        let mut robust = vk::PhysicalDeviceRobustness2FeaturesEXT::default();
        let mut cooperative = vk::PhysicalDeviceCooperativeMatrixFeaturesKHR::default();
        let mut names = vec![executables.as_ptr()];
        let mut features = vk::PhysicalDeviceFeatures2::default()
            .push_next(&mut vulkan11)
            .push_next(&mut vulkan12)
            .push_next(&mut subgroups)
            .push_next(&mut told);
        if has_robustness {
            features = features.push_next(&mut robust);
            names.push(robustness.as_ptr());
        }
        if has_matrices {
            features = features.push_next(&mut cooperative);
            names.push(matrices.as_ptr());
        }
        instance.get_physical_device_features2(physical, &mut features);
        let listed = features.features;
        // wgpu enables both kinds of robustness wherever they are: they cost instructions.
        let enabled = vk::PhysicalDeviceFeatures::default()
            .robust_buffer_access(listed.robust_buffer_access != 0)
            .shader_int64(listed.shader_int64 != 0)
            .shader_int16(listed.shader_int16 != 0);
        vulkan12.buffer_device_address = 0;
        robust.null_descriptor = 0;
        cooperative.cooperative_matrix_robust_buffer_access = 0;
        let has_halves = vulkan12.shader_float16 != 0 && vulkan11.storage_buffer16_bit_access != 0;
        for next in [
            &mut vulkan11.p_next,
            &mut vulkan12.p_next,
            &mut subgroups.p_next,
            &mut told.p_next,
            &mut robust.p_next,
            &mut cooperative.p_next,
        ] {
            *next = std::ptr::null_mut();
        }
        let mut enable = vk::PhysicalDeviceFeatures2::default()
            .features(enabled)
            .push_next(&mut vulkan11)
            .push_next(&mut vulkan12)
            .push_next(&mut subgroups)
            .push_next(&mut told);
        if has_robustness {
            enable = enable.push_next(&mut robust);
        }
        if has_matrices {
            enable = enable.push_next(&mut cooperative);
        }
        let families = instance.get_physical_device_queue_family_properties(physical);
        let family = families.iter().position(|family| family.queue_flags.contains(vk::QueueFlags::COMPUTE));
        let family = family.ok_or("the device computes nothing")? as u32;
        let queues = [vk::DeviceQueueCreateInfo::default().queue_family_index(family).queue_priorities(&[1.0])];
        let create = vk::DeviceCreateInfo::default()
            .queue_create_infos(&queues)
            .enabled_extension_names(&names)
            .push_next(&mut enable);
        let device = instance.create_device(physical, &create, None).map_err(call("vkCreateDevice"))?;
        let about = About {
            device: text(&core.device_name),
            driver: format!("{} {}", text(&driver.driver_name), text(&driver.driver_info)),
            api: core.api_version,
            workgroup_memory: core.limits.max_compute_shared_memory_size,
            threads: core.limits.max_compute_work_group_invocations,
            subgroups: [sizes.min_subgroup_size, sizes.max_subgroup_size],
            has_matrices,
            has_halves,
        };
        Ok((device, about))
    }
}

impl About {
    /// The SPIR-V that wgpu writes for it.
    pub(crate) fn spirv(&self) -> (u8, u8) {
        match self.api {
            api if api >= vk::API_VERSION_1_3 => (1, 6),
            api if api >= vk::API_VERSION_1_2 => (1, 5),
            _ => (1, 3),
        }
    }
}

fn layout_binding(number: u32, kind: Binding) -> vk::DescriptorSetLayoutBinding<'static> {
    let kind = match kind {
        Binding::Uniform => vk::DescriptorType::UNIFORM_BUFFER,
        Binding::Storage => vk::DescriptorType::STORAGE_BUFFER,
    };
    let stages = vk::ShaderStageFlags::COMPUTE;
    vk::DescriptorSetLayoutBinding::default()
        .binding(number)
        .descriptor_count(1)
        .descriptor_type(kind)
        .stage_flags(stages)
}

fn call(what: &'static str) -> impl Fn(vk::Result) -> String {
    move |error| format!("{what}: {error}")
}

fn value(statistic: &vk::PipelineExecutableStatisticKHR<'_>) -> Value {
    // SAFETY: the format says which of the union's fields the driver has written.
    unsafe {
        match statistic.format {
            vk::PipelineExecutableStatisticFormatKHR::FLOAT64 => json!(statistic.value.f64),
            vk::PipelineExecutableStatisticFormatKHR::INT64 => json!(statistic.value.i64),
            vk::PipelineExecutableStatisticFormatKHR::UINT64 => json!(statistic.value.u64),
            _ => json!(statistic.value.b32 != 0),
        }
    }
}

fn text(chars: &[c_char]) -> String {
    let bytes: Vec<u8> = chars.iter().take_while(|&&char| char != 0).map(|&char| char.cast_unsigned()).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}
