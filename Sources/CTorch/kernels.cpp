#include "ctorch.h"
const char *ct_vector_instructions(void) { return "baseline"; }
