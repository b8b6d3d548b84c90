//go:build wasip1

// Package runtime is what the generated bindings need at run time: memory for what crosses the component's edge, and handles.
//
// While the host writes into the guest's memory, the guest may not call the host; a collection of garbage would (it reads the clock), and that is
// a trap. So collections are off wherever the host may ask for memory: before an export, after it, and during each call to the host. They are
// on while the plugin's own code runs. [Enter], [Leave] and [Outside] see to it; nothing else may.
package runtime

import (
	"runtime"
	"runtime/debug"
	"sync"
	"unsafe"
)

// earlySize is what the adapter of WASI asks for before Go has begun: its state and its stack, 64 KiB each.
const earlySize = 256 << 10

// plenty is how much the host may write until garbage is collected.
const plenty = 32 << 20

// percent is how much a heap may grow before garbage is collected, as Go has it.
const percent = 100

var (
	// early is memory that is there before Go has begun.
	early     [earlySize]byte
	earlyUsed uintptr
	begun     bool
	// held keeps what the host has written until the bindings have made Go values of it.
	held []unsafe.Pointer
	// received counts what the host has written since the last collection: Go looks for garbage only where it allocates by itself.
	received uintptr
	// edge is held by the goroutine that calls the host.
	edge sync.Mutex
)

func init() {
	begun = true
	debug.SetGCPercent(-1)
}

// Enter begins an export: the plugin's own code runs next.
func Enter() { debug.SetGCPercent(percent) }

// Leave ends an export: the host takes the answer, and may come with the next call.
func Leave() { debug.SetGCPercent(-1) }

// Outside runs a call to the host, and whatever the bindings make of its answer. Goroutines take turns at it: the one that waits for a collection to
// end must not find that another has turned them on again.
func Outside[T any](call func() T) T {
	edge.Lock()
	debug.SetGCPercent(-1)
	defer inside()
	return call()
}

// inside goes back to the plugin's own code.
func inside() {
	held = nil
	debug.SetGCPercent(percent)
	if received > plenty {
		received = 0
		runtime.GC()
	}
	edge.Unlock()
}

// Unpin lets go of what the host has written for an export; the bindings call it when they have made Go values of it.
func Unpin() { held = nil }

// Allocate returns memory that the host reads from or writes to, for as long as the pinner holds it.
func Allocate(pinner *runtime.Pinner, size, align uintptr) unsafe.Pointer {
	if size == 0 {
		return nil
	}
	memory := words(size)
	pinner.Pin(memory)
	return memory
}

// words returns memory in words of 8 bytes, the largest alignment that there is.
func words(size uintptr) unsafe.Pointer {
	return unsafe.Pointer(unsafe.SliceData(make([]uint64, (size+7)/8)))
}

// clockPaused tells the adapter to answer with a clock that stands still, in place of asking the host.
//
//go:wasmimport wasi_snapshot_preview1 adapter_monotonic_clock_set_paused
func clockPaused(paused bool)

//go:wasmexport cabi_realloc
func realloc(old unsafe.Pointer, oldSize, align, size uintptr) unsafe.Pointer {
	if old != nil || oldSize != 0 {
		panic("relrun: the host made its memory larger")
	}
	if !begun {
		return first(size, align)
	}
	clockPaused(true)
	memory := words(max(size, 1))
	held = append(held, memory)
	received += size
	clockPaused(false)
	return memory
}

// first hands out memory before Go has begun, when nothing can be allocated yet.
func first(size, align uintptr) unsafe.Pointer {
	begin := (uintptr(unsafe.Pointer(&early)) + earlyUsed + align - 1) &^ (align - 1)
	offset := begin - uintptr(unsafe.Pointer(&early))
	if offset+size > earlySize {
		panic("relrun: the adapter asks for too much memory")
	}
	earlyUsed = offset + size
	return unsafe.Pointer(&early[offset])
}

// Handle is a handle of the host's.
type Handle struct{ value int32 }

// MakeHandle makes one.
func MakeHandle(value int32) *Handle { return &Handle{value} }

// Use returns the handle to be used.
func (h *Handle) Use() int32 {
	if h.value == 0 {
		panic("relrun: it is closed")
	}
	return h.value
}

// Take returns the handle, and forgets it.
func (h *Handle) Take() int32 {
	value := h.Use()
	h.value = 0
	return value
}

// TakeOrNil returns the handle, or 0 where it was forgotten, and forgets it.
func (h *Handle) TakeOrNil() int32 {
	value := h.value
	h.value = 0
	return value
}

// Set gives a forgotten handle a new value.
func (h *Handle) Set(value int32) { h.value = value }
