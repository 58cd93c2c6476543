// The only door to libtorch: plain C, so that Swift sees neither C++ types nor C++ exceptions.
//
// Ownership: a returned handle is owned by the caller (+1) and given back with its `_release`;
// handles passed in are borrowed for the call. A tensor handle is libtorch's own intrusive pointer.
// Status: 0 on success; otherwise a `ct_status` code, and `*message` is a text the caller frees with
// `ct_free`. Status and message come from the same call: nothing is kept in thread-local storage.
#ifndef CTORCH_H
#define CTORCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ct_tensor_s *ct_tensor;
typedef const struct ct_operator_s *ct_operator;
typedef struct ct_generator_s *ct_generator;

enum {
  ct_ok = 0,
  ct_torch_error = 1,   // c10::Error: shapes, dtypes, unsupported combinations
  ct_out_of_memory = 2,
  ct_other_error = 3,   // any other std::exception
  ct_unknown_error = 4  // something thrown that is no std::exception
};

// Tagged values: arguments and results of operators.
enum {
  ct_tag_none = 0,
  ct_tag_tensor,
  ct_tag_int,       // also: bool-free enums of libtorch (dtype, layout, memory format)
  ct_tag_double,
  ct_tag_bool,
  ct_tag_string,    // `pointer` to UTF-8, `count` bytes
  ct_tag_ints,      // `pointer` to int64_t[count]
  ct_tag_doubles,   // `pointer` to double[count]
  ct_tag_bools,     // `pointer` to int64_t[count], 0 or 1
  ct_tag_tensors,   // `pointer` to ct_tensor[count]; a NULL entry is an absent optional tensor
  ct_tag_device,    // `integer` = type * 256 + index (255: current)
  ct_tag_generator
};

typedef struct {
  int32_t tag;
  int32_t count;
  union {
    int64_t integer;
    double real;
    const void *pointer;
  } payload;
} ct_value;

void ct_free(void *memory);
// A copy of `text` that the receiver frees with `ct_free`.
char *ct_copied(const char *text);
const char *ct_version(void);
// Configuration text of the libtorch build (BLAS, oneDNN, CPU capability); caller frees.
char *ct_build_description(void);

// MARK: Operators

// Finds an operator by schema name ("aten::add") and overload ("Tensor"); with `composite` not 0, the form of it that is composed of
// other operators for any device, without gradients. Handles live for ever.
int32_t ct_find_operator(const char *name, const char *overload, int32_t composite, ct_operator *result, char **message);
// Calls it through the dispatcher. Missing trailing arguments take the schema's defaults. At most
// `capacity` results are written; a tensor list becomes one value whose `pointer` (an array of owned
// handles) the caller frees with `ct_free`.
int32_t ct_call(ct_operator op, const ct_value *arguments, int32_t argument_count, ct_value *results,
                int32_t capacity, int32_t *result_count, char **message);
// The call above, resolved and made in C++ `count` times on `self + other`: what the gate costs is
// measured against it. Returns seconds.
double ct_measure_direct_add(ct_tensor self, ct_tensor other, int64_t count);

// MARK: Tensors

void ct_tensor_release(ct_tensor tensor);
// Another reference (+1) to the same tensor.
ct_tensor ct_tensor_retain(ct_tensor tensor);
// Copies `bytes` bytes. `dtype` is libtorch's ScalarType number.
int32_t ct_tensor_from_bytes(const void *data, size_t bytes, const int64_t *sizes, int32_t rank,
                             int32_t dtype, ct_tensor *result, char **message);
// A tensor over memory it does not own; `release(context)` is called once when it is gone.
int32_t ct_tensor_from_memory(void *data, const int64_t *sizes, int32_t rank, int32_t dtype,
                              void *context, void (*release)(void *), ct_tensor *result, char **message);
int32_t ct_tensor_rank(ct_tensor tensor);
void ct_tensor_sizes(ct_tensor tensor, int64_t *sizes);
void ct_tensor_strides(ct_tensor tensor, int64_t *strides);
int64_t ct_tensor_element_count(ct_tensor tensor);
int32_t ct_tensor_dtype(ct_tensor tensor);
int32_t ct_tensor_device(ct_tensor tensor);
bool ct_tensor_is_contiguous(ct_tensor tensor);
bool ct_tensor_is_defined(ct_tensor tensor);
void *ct_tensor_data(ct_tensor tensor, char **message);
// Bytes of the storage, shared by views.
int64_t ct_tensor_storage_bytes(ct_tensor tensor);

// MARK: Autograd

bool ct_tensor_requires_grad(ct_tensor tensor);
bool ct_tensor_is_leaf(ct_tensor tensor);
int32_t ct_tensor_set_requires_grad(ct_tensor tensor, bool value, char **message);
// NULL if there is none.
ct_tensor ct_tensor_grad(ct_tensor tensor);
int32_t ct_tensor_set_grad(ct_tensor tensor, ct_tensor grad, char **message);
int32_t ct_backward(const ct_tensor *roots, const ct_tensor *gradients, int32_t count, bool retain_graph,
                    bool create_graph, char **message);
// `results` receives `input_count` owned handles, NULL where an input was not used.
int32_t ct_grad(const ct_tensor *outputs, const ct_tensor *gradients, int32_t output_count,
                const ct_tensor *inputs, int32_t input_count, bool retain_graph, bool create_graph,
                bool allow_unused, ct_tensor *results, char **message);
// `function(context, gradient)` returns a replacement (+1) or NULL. Removed with the tensor.
int32_t ct_tensor_register_hook(ct_tensor tensor, ct_tensor (*function)(void *, ct_tensor), void *context,
                                void (*release)(void *), char **message);
// Makes `outputs` (computed without a graph) depend on `inputs`; on the way back
// `function(context, output gradients, input gradients)` fills owned handles or NULL, and returns
// NULL or an error text made with malloc.
int32_t ct_attach_gradient(const ct_tensor *outputs, int32_t output_count, const ct_tensor *inputs,
                           int32_t input_count,
                           char *(*function)(void *, const ct_tensor *, int32_t, ct_tensor *, int32_t),
                           void *context, void (*release)(void *), char **message);

bool ct_grad_mode_enabled(void);
void ct_set_grad_mode(bool enabled);
void *ct_inference_mode_begin(bool enabled);
void ct_inference_mode_end(void *guard);

// MARK: Random numbers, threads, memory, devices

int32_t ct_generator_new(int32_t device, uint64_t seed, ct_generator *result, char **message);
void ct_generator_release(ct_generator generator);
int32_t ct_generator_state(ct_generator generator, ct_tensor *result, char **message);
int32_t ct_generator_set_state(ct_generator generator, ct_tensor state, char **message);
void ct_manual_seed(uint64_t seed);

void ct_set_thread_count(int32_t count);
int32_t ct_thread_count(void);
// So many freed bytes stay with the process for tensors to come; nothing where the C library has no such setting.
void ct_keep_freed_memory(int32_t bytes);
int32_t ct_cuda_device_count(void);
bool ct_has_mps(void);
// Name of the instruction set our own kernels use on this machine.
const char *ct_vector_instructions(void);

// One pointer per thread, for the Swift side's error scopes.
void *ct_thread_slot(void);
void ct_set_thread_slot(void *value);

#ifdef __cplusplus
}
#endif
#endif
