// What torch's CPU build lacks for the device type `cuda`: hooks that report two devices, a guard that keeps the
// current device of each thread, and generators. No computation happens here.
//
// Autograd asks for both before it runs a tensor's backward pass. Functions that some versions of torch do not declare
// carry no `override`.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

namespace {

constexpr c10::DeviceIndex kDevices = 2;
thread_local c10::DeviceIndex current_index = 0;

c10::Device current_cuda_device() {
  return c10::Device(c10::DeviceType::CUDA, current_index);
}

void make_current(c10::Device device) {
  if (device.has_index()) {
    current_index = device.index();
  }
}

c10::Stream default_stream(c10::Device device) {
  return c10::Stream(c10::Stream::DEFAULT, device.has_index() ? device : current_cuda_device());
}

// A device whose work is finished as soon as it is given: streams and events have nothing to do.
struct PretendedGuard final : public c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override {
    return c10::DeviceType::CUDA;
  }
  c10::Device getDevice() const override {
    return current_cuda_device();
  }
  void setDevice(c10::Device device) const override {
    make_current(device);
  }
  void uncheckedSetDevice(c10::Device device) const noexcept override {
    make_current(device);
  }
  c10::Device exchangeDevice(c10::Device device) const override {
    const auto before = current_cuda_device();
    make_current(device);
    return before;
  }
  c10::DeviceIndex deviceCount() const noexcept override {
    return kDevices;
  }
  c10::Stream getStream(c10::Device device) const noexcept override {
    return default_stream(device);
  }
  c10::Stream exchangeStream(c10::Stream stream) const noexcept override {
    return default_stream(stream.device());
  }
  c10::Stream getDefaultStream(c10::Device device) const {
    return default_stream(device);
  }
  c10::Stream getNewStream(c10::Device device, int) const {
    return default_stream(device);
  }
  void record(void**, const c10::Stream&, const c10::DeviceIndex, const c10::EventFlag) const {}
  void block(void*, const c10::Stream&) const {}
  bool queryEvent(void*) const {
    return true;
  }
  bool queryStream(const c10::Stream&) const {
    return true;
  }
  void synchronizeStream(const c10::Stream&) const {}
  void synchronizeEvent(void*) const {}
  void synchronizeDevice(const c10::DeviceIndex) const {}
};

const PretendedGuard guard;

// The numbers of torch's CPU generator under the name of a CUDA device.
struct PretendedGenerator : public at::CPUGeneratorImpl {
  explicit PretendedGenerator(c10::DeviceIndex index) : at::CPUGeneratorImpl() {
    device_ = c10::Device(c10::DeviceType::CUDA, index);
  }
};

c10::DeviceIndex index_or_current(c10::DeviceIndex index) {
  return index < 0 ? current_index : index;
}

}  // namespace

namespace at {

// torch looks these hooks up by this name.
struct CUDAHooks final : public CUDAHooksInterface {
  explicit CUDAHooks(CUDAHooksArgs) {}
  void init() const override {}
  bool isBuilt() const {
    return true;
  }
  bool isAvailable() const {
    return true;
  }
  bool hasCUDA() const override {
    return true;
  }
  bool hasPrimaryContext(DeviceIndex) const override {
    return true;
  }
  int getNumGPUs() const override {
    return kDevices;
  }
  DeviceIndex deviceCount() const {
    return kDevices;
  }
  DeviceIndex current_device() const override {
    return current_index;
  }
  DeviceIndex getCurrentDevice() const {
    return current_index;
  }
  void setCurrentDevice(DeviceIndex index) const {
    current_index = index;
  }
  DeviceIndex exchangeDevice(DeviceIndex index) const {
    const auto before = current_index;
    current_index = index;
    return before;
  }
  DeviceIndex maybeExchangeDevice(DeviceIndex index) const {
    return exchangeDevice(index);
  }
  Generator getNewGenerator(DeviceIndex index = -1) const {
    return make_generator<PretendedGenerator>(index_or_current(index));
  }
  const Generator& getDefaultGenerator(DeviceIndex index = -1) const {
    static const Generator generators[kDevices] = {
        make_generator<PretendedGenerator>(0), make_generator<PretendedGenerator>(1)};
    return generators[index_or_current(index)];
  }
  Allocator* getPinnedMemoryAllocator() const override {
    return c10::GetCPUAllocator();
  }
};

// A build of torch for CUDA registers hooks of its own when it is loaded; the preferred ones stay.
C10_REGISTER_CLASS_WITH_PRIORITY(CUDAHooksRegistry, CUDAHooks, c10::REGISTRY_PREFERRED, CUDAHooks)

}  // namespace at

// Called after torch was loaded, since a build for CUDA sets its own guard.
extern "C" void register_pretended_guard() {
  c10::impl::device_guard_impl_registry[static_cast<size_t>(c10::DeviceType::CUDA)].store(&guard);
}
