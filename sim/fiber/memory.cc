// Memory for a program of one thread that allocates little things all the time: lists of free
// blocks by size, filled from slabs and never given back. A sixth of a run was the general
// allocator.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace {

constexpr size_t kGrain = 16, kClasses = 65;  // Up to 1 KiB.
constexpr size_t kSlabBytes = 1 << 20;

struct Block {  // In front of what is given out; keeps its alignment.
  size_t size_class;
  Block* next;
};
static_assert(sizeof(Block) == kGrain);

Block* idle[kClasses];
std::byte* slab = nullptr;
size_t slab_left = 0;

}  // namespace

void* operator new(size_t bytes) {
  const size_t size_class = (bytes + kGrain - 1) / kGrain;
  if (size_class >= kClasses) {
    auto* block = static_cast<Block*>(std::malloc(bytes + sizeof(Block)));
    if (block == nullptr) std::abort();
    block->size_class = kClasses;
    return block + 1;
  }
  if (Block* block = idle[size_class]; block != nullptr) {
    idle[size_class] = block->next;
    return block + 1;
  }
  const size_t needed = sizeof(Block) + size_class * kGrain;
  if (slab_left < needed) {
    slab = static_cast<std::byte*>(std::malloc(kSlabBytes));
    if (slab == nullptr) std::abort();
    slab_left = kSlabBytes;
  }
  auto* block = ::new (static_cast<void*>(slab)) Block{size_class, nullptr};
  slab += needed;
  slab_left -= needed;
  return block + 1;
}

void operator delete(void* pointer) noexcept {
  if (pointer == nullptr) return;
  Block* block = static_cast<Block*>(pointer) - 1;
  if (block->size_class == kClasses) return std::free(block);
  block->next = idle[block->size_class];
  idle[block->size_class] = block;
}
void operator delete(void* pointer, size_t) noexcept { operator delete(pointer); }
