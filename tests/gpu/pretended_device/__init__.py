"""A pretended GPU for machines without one: device type `cuda`, CUDA's rules about devices, values computed on the CPU.

`install` must run before torch is imported, so a process that already uses torch needs another process. Afterwards
`torch.device("cuda")` and `cuda:1` exist. Operations that CUDA refuses raise CUDA's error messages: tensors of two
devices in one operation, a GPU index into a CPU tensor, a CPU generator for a GPU tensor, `.numpy()` of a GPU tensor.
`CASTS` has the lines that round frozen weights. Speed, memory and the rounding of CUDA's kernels are not simulated.
"""
