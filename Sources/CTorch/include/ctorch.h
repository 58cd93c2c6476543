#ifndef CTORCH_H
#define CTORCH_H
const char *ct_version(void);
#endif
