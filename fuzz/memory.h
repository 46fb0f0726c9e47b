/*
 * memory.h
 *		palloc for programs without a server that look for faults.
 */
#ifndef MEMORY_H
#define MEMORY_H

/* Frees all that was allocated, as the reset of a memory context would. */
extern void free_all(void);

#endif							/* MEMORY_H */
