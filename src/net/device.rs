//! Which device computes: the CPU, or a real GPU if there is one.

use burn::tensor::{DType, Device};

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Wanted {
    /// A real GPU if there is one, otherwise the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// A GPU, be it a software one.
    Gpu,
    /// The same, drawing in half precision.
    GpuHalf,
}

/// A device and how to name it to a person.
pub struct Chosen {
    /// As burn knows it.
    pub device: Device,
    /// For a person.
    pub name: String,
    /// Draw in half precision. Training never is.
    pub half: bool,
    /// Whether it is a graphics card, which may fail where the CPU does not.
    pub card: bool,
}

/// No GPU, or not such a one, where one was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{0}; --device cpu and auto always work")]
pub struct NoGpu(String);

/// Chooses. A software Vulkan adapter is not a GPU for `Auto`; `Gpu` takes it, and says so.
///
/// # Errors
/// If a GPU was asked for and there is none, or not such a one.
pub fn choose(wanted: Wanted) -> Result<Chosen, NoGpu> {
    match wanted {
        Wanted::Cpu => Ok(cpu()),
        Wanted::Auto => Ok(gpu::real().unwrap_or_else(cpu)),
        Wanted::Gpu => gpu::any(),
        Wanted::GpuHalf => halved(gpu::any()?),
    }
}

/// Chooses again after the device was lost for the `nth` time, 1 and up: a card is opened anew, beside what is left of
/// it. The CPU where there is no other way to the card.
///
/// # Errors
/// If a card in half precision was asked for and it has none.
pub fn choose_fresh(wanted: Wanted, nth: usize) -> Result<Chosen, NoGpu> {
    let fresh = match wanted {
        Wanted::Cpu => None,
        Wanted::Auto | Wanted::Gpu | Wanted::GpuHalf => gpu::fresh(nth),
    };
    match fresh {
        Some(chosen) if wanted == Wanted::GpuHalf => halved(chosen),
        fresh => Ok(fresh.unwrap_or_else(cpu)),
    }
}

fn halved(chosen: Chosen) -> Result<Chosen, NoGpu> {
    let name = chosen.name.clone();
    match halves(&chosen.device) {
        true => Ok(Chosen { name: format!("{name}, half precision"), half: true, ..chosen }),
        false => Err(NoGpu(format!("{name} has no half precision: use --device gpu"))),
    }
}

/// Whether a device computes in half precision (f16), for drawing; the CPU's form here does not.
pub fn halves(device: &Device) -> bool {
    !super::ops::ours(device) && device.supports_dtype(DType::F16)
}

/// The adapters the generator could use, in words; a software one says so.
pub fn adapters() -> Vec<String> {
    gpu::all()
}

/// Where it is kept which kernels were the fastest on this machine's card, and whether anything is there yet; nothing
/// where the program was built without feature `autotune`.
pub fn trials() -> Option<(std::path::PathBuf, bool)> {
    gpu::trials()
}

fn cpu() -> Chosen {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    Chosen { device: Device::flex(), name: format!("cpu ({threads} threads)"), half: false, card: false }
}

#[cfg(not(feature = "gpu"))]
mod gpu {
    use super::{Chosen, NoGpu};

    pub fn real() -> Option<Chosen> {
        None
    }

    pub fn all() -> Vec<String> {
        Vec::new()
    }

    pub fn trials() -> Option<(std::path::PathBuf, bool)> {
        None
    }

    pub fn fresh(_: usize) -> Option<Chosen> {
        None
    }

    /// Without GPU support there is none.
    ///
    /// # Errors
    /// Always.
    pub fn any() -> Result<Chosen, NoGpu> {
        Err(NoGpu("this program was built without GPU support".into()))
    }
}

#[cfg(feature = "gpu")]
mod gpu {
    use burn::tensor::wgpu::WgpuBackend;
    use burn::tensor::{Device, DeviceKind, DeviceType};

    use super::{Chosen, NoGpu};

    /// Whether the system shows a card at all. Asking the graphics libraries instead loads them all,
    /// which takes its time and, without a display, prints their complaints.
    fn any_card() -> bool {
        if !cfg!(target_os = "linux") {
            return true;
        }
        let named = |folder: &str, prefixes: &[&str]| {
            std::fs::read_dir(folder).is_ok_and(|entries| {
                let names = entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned());
                names.into_iter().any(|name| prefixes.iter().any(|p| name.starts_with(p)))
            })
        };
        // "dxg" is the card of a Windows host seen from its Linux guest.
        named("/dev/dri", &["renderD"]) || named("/dev", &["nvidia", "dxg"])
    }

    /// The first card: a device that is no card (a processor, a software rasteriser) does not count.
    pub fn real() -> Option<Chosen> {
        if !any_card() {
            return None;
        }
        tuning::remember();
        let card = Device::enumerate_physical().into_iter().next()?;
        let device = card.devices.into_vec().into_iter().next()?;
        ask_at_once();
        Some(Chosen { device, name: format!("gpu ({})", card.name), half: false, card: true })
    }

    /// The card under another of its names: each has a device and a queue of its own, so that what hangs in one does
    /// not hold up the other. There are not many.
    pub fn fresh(nth: usize) -> Option<Chosen> {
        if !any_card() {
            return None;
        }
        let device = match nth {
            1 => Device::wgpu(DeviceKind::DefaultDevice),
            2 if cfg!(not(target_os = "macos")) => {
                Device::wgpu_options().graphics_api(WgpuBackend::Vulkan).init().ok()?
            }
            _ => return None,
        };
        ask_at_once();
        let name = device.identity().map_or_else(|| "unnamed".into(), |identity| identity.name);
        Some(Chosen { device, name: format!("gpu ({name}), opened anew"), half: false, card: true })
    }

    /// Has a device asked for its answer when that is wanted, not when it is looked at: only then can other
    /// work be given to it meanwhile (see [`crate::net::pending`]).
    fn ask_at_once() {
        burn_std::set_runtime_kind(burn_std::RuntimeKind::Async);
    }

    pub use tuning::trials;

    #[cfg(not(feature = "autotune"))]
    mod tuning {
        pub fn remember() {}

        pub fn trials() -> Option<(std::path::PathBuf, bool)> {
            None
        }
    }

    /// What was tried on a card, kept for the next start.
    #[cfg(feature = "autotune")]
    mod tuning {
        use std::path::PathBuf;

        use burn::cubecl::config::cache::CacheConfig;
        use burn::cubecl::config::{CubeClRuntimeConfig, RuntimeConfig};
        use burn::cubecl::environment;

        /// Has results and compiled kernels kept in the user's cache folder, wherever the program is started.
        /// Before anything is asked of a device, which would take the settings as they are.
        pub fn remember() {
            let mut config = CubeClRuntimeConfig::default();
            config.environment.name = "flaneur".into();
            config.environment.path = CacheConfig::Global;
            config.compilation.cache = true;
            // A second time changes nothing.
            CubeClRuntimeConfig::try_set(config.override_from_env());
        }

        pub fn trials() -> Option<(PathBuf, bool)> {
            remember();
            let path = environment::path();
            let there = path.exists();
            Some((path, there))
        }
    }

    /// Every adapter.
    pub fn all() -> Vec<String> {
        tuning::remember();
        let cards: Vec<String> = match any_card() {
            true => Device::enumerate_physical().into_iter().map(|card| card.name).collect(),
            false => Vec::new(),
        };
        let named = Device::enumerate(DeviceType::Wgpu).into_vec().into_iter().filter_map(|device| device.identity());
        named
            .map(|identity| match cards.contains(&identity.name) {
                true => identity.name,
                false => format!("{} (software)", identity.name),
            })
            .collect()
    }

    /// A card, or else whatever adapter there is.
    ///
    /// # Errors
    /// If there is no adapter at all.
    pub fn any() -> Result<Chosen, NoGpu> {
        if let Some(chosen) = real() {
            return Ok(chosen);
        }
        tuning::remember();
        let adapters = Device::enumerate(DeviceType::Wgpu).into_vec();
        let device = adapters.into_iter().next().ok_or_else(|| NoGpu("there is no GPU here".into()))?;
        ask_at_once();
        let name = device.identity().map_or_else(|| "unnamed".into(), |identity| identity.name);
        Ok(Chosen {
            device,
            name: format!("gpu ({name}; software, no graphics card: slower than the cpu)"),
            half: false,
            card: false,
        })
    }
}
