"""A pretended GPU for machines without one: device type `cuda`, CUDA's rules about devices, values computed on the CPU.

`install` has to run before torch is imported, so another process is needed where torch is already in use. Afterwards
`torch.device("cuda")` and `cuda:1` exist. What CUDA refuses raises here with CUDA's words: tensors of two devices in
one operation, a GPU index into a CPU tensor, a CPU generator for a GPU tensor, `.numpy()` of a GPU tensor. `COUNTS`
holds operations, waits and transfers by file and line. Speed, memory and the rounding of CUDA's kernels are not shown.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
