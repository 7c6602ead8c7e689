// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The process whose io threads the probe observes. It is built once for each word size.
 *
 * The system calls that create io threads run with a sentinel in every register that the call
 * does not use. A value copied from the creator thus differs from zero and from every value that
 * the kernel sets.
 */
#include "system.h"
#include "tracee.h"

/* include/uapi/linux/io_uring.h */
enum { IORING_SETUP_SQPOLL = 2, IORING_OP_OPENAT = 18, IOSQE_ASYNC = 16, AT_FDCWD = -100 };
/* Has no effect without a poller, but makes the register of the argument non-zero. */
enum { IORING_ENTER_SQ_WAKEUP = 2 };
#define IORING_OFF_SQ_RING 0ULL
#define IORING_OFF_SQES 0x10000000ULL

struct ring_params {
	uint32_t sq_entries, cq_entries, flags, sq_thread_cpu, sq_thread_idle, features, wq_fd, resv[3];
	struct { uint32_t head, tail, ring_mask, ring_entries, flags, dropped, array, resv[3]; } sq_off;
	uint32_t cq_off[10];
};

struct sqe {
	uint8_t opcode, flags;
	uint16_t ioprio;
	int32_t fd;
	uint64_t off, addr;
	uint32_t len, op_flags;
	uint64_t user_data, pad[3];
};

/* Number and arguments of the system call that sentinel_call makes. */
struct { long nr, arg[6]; } sentinel_frame __attribute__((used));
long sentinel_stack __attribute__((used));
struct timespec beat __attribute__((used)) = { 0, 5000000 };

long sentinel_call(void);
_Noreturn void sentinel_loop(void);

/*
 * All status flags (OF SF ZF AF PF CF), and IF, which user space cannot clear. The stack pointer
 * holds a sentinel as well: neither the kernel nor a signal without a handler uses the stack.
 */
#define FLAGS "0xad7"

#ifdef __x86_64__

#define SENTINEL(n) 0x5eed00005eed0000 + (n)
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define LOAD(reg, n) "movabs $0x5eed00005eed00" #n ", %" #reg "\n\t"

#define LOAD_UNUSED                                                                              \
	LOAD(rbx, 01) LOAD(rbp, 02) LOAD(r12, 12) LOAD(r13, 13) LOAD(r14, 14) LOAD(r15, 15)      \
	LOAD(rcx, 03) LOAD(r11, 11) LOAD(rsp, 04)

__asm__(".text\n"
	".globl _start\n_start:\n\t"
	"xor %ebp, %ebp\n\tand $-16, %rsp\n\tcall tracee_main\n\t"
	".globl sentinel_call\nsentinel_call:\n\t"
	"push %rbx\n\tpush %rbp\n\tpush %r12\n\tpush %r13\n\tpush %r14\n\tpush %r15\n\t"
	"mov %rsp, sentinel_stack(%rip)\n\t"
	"pushq $" FLAGS "\n\tpopfq\n\t"
	"mov sentinel_frame(%rip), %rax\n\t"
	"mov sentinel_frame+8(%rip), %rdi\n\tmov sentinel_frame+16(%rip), %rsi\n\t"
	"mov sentinel_frame+24(%rip), %rdx\n\tmov sentinel_frame+32(%rip), %r10\n\t"
	"mov sentinel_frame+40(%rip), %r8\n\tmov sentinel_frame+48(%rip), %r9\n\t"
	LOAD_UNUSED
	"syscall\n\t"
	"mov sentinel_stack(%rip), %rsp\n\t"
	"pop %r15\n\tpop %r14\n\tpop %r13\n\tpop %r12\n\tpop %rbp\n\tpop %rbx\n\t"
	"ret\n"
	".globl sentinel_loop\nsentinel_loop:\n\t"
	LOAD_UNUSED LOAD(rdx, 05) LOAD(r8, 08) LOAD(r9, 09) LOAD(r10, 10)
	"lea beat(%rip), %rdi\n\txor %esi, %esi\n"
	"1:\n\tmov $35, %eax\n\tsyscall\n\t"
	"lock incl " SHARED_BEATS "\n\tjmp 1b\n");

enum { ARCH_SET_GS = 0x1001, ARCH_SET_FS = 0x1002 };

static long set_tls(void)
{
	/* The kernel requires canonical addresses; the tracee never uses these segments. */
	long ret = sys2(arch_prctl, ARCH_SET_FS, 0x5eed0000f000);

	return ret ? ret : sys2(arch_prctl, ARCH_SET_GS, 0x5eed0000a000);
}

static long map(long fd, uint64_t offset, size_t size, long address)
{
	return sys6(mmap, address, size, PROT_READ | PROT_WRITE, MAP_SHARED | (address ? MAP_FIXED : 0),
		    fd, offset);
}

#else

#define SENTINEL(n) 0x5eed0000 + (n)
#define LOAD(reg, n) "mov $0x5eed00" #n ", %" #reg "\n\t"

__asm__(".text\n"
	".globl _start\n_start:\n\t"
	"xor %ebp, %ebp\n\tand $-16, %esp\n\tcall tracee_main\n\t"
	".globl sentinel_call\nsentinel_call:\n\t"
	"push %ebx\n\tpush %ebp\n\tpush %esi\n\tpush %edi\n\t"
	"mov %esp, sentinel_stack\n\t"
	"pushl $" FLAGS "\n\tpopfl\n\t"
	"mov sentinel_frame, %eax\n\t"
	"mov sentinel_frame+4, %ebx\n\tmov sentinel_frame+8, %ecx\n\t"
	"mov sentinel_frame+12, %edx\n\tmov sentinel_frame+16, %esi\n\t"
	"mov sentinel_frame+20, %edi\n\tmov sentinel_frame+24, %ebp\n\t"
	LOAD(esp, 04)
	"int $0x80\n\t"
	"mov sentinel_stack, %esp\n\t"
	"pop %edi\n\tpop %esi\n\tpop %ebp\n\tpop %ebx\n\t"
	"ret\n"
	".globl sentinel_loop\nsentinel_loop:\n\t"
	LOAD(edx, 05) LOAD(esi, 06) LOAD(edi, 07) LOAD(ebp, 02) LOAD(esp, 04)
	"lea beat, %ebx\n\txor %ecx, %ecx\n"
	"1:\n\tmov $162, %eax\n\tint $0x80\n\t"
	"lock incl " SHARED_BEATS "\n\tjmp 1b\n");

static long set_tls(void)
{
	/* struct user_desc: a 32-bit data segment at a sentinel address, with its limit in pages. */
	struct { uint32_t entry, base, limit, flags; } desc = { -1u, 0x5eeda000, 0xfffff, 0x51 };
	long ret = sys1(set_thread_area, &desc);

	if (!ret)
		__asm__ volatile("movw %w0, %%gs" : : "r"(desc.entry * 8 + 3));
	return ret;
}

static long map(long fd, uint64_t offset, size_t size, long address)
{
	return sys6(mmap2, address, size, PROT_READ | PROT_WRITE, MAP_SHARED | (address ? MAP_FIXED : 0),
		    fd, offset >> 12);
}

#endif

static struct shared *shared;

static void check(enum step step, long ret)
{
	if (ret < 0 && ret > -4096) {
		if (shared) {
			shared->step = step;
			shared->stage = (int32_t)ret;
		}
		sys1(exit, step);
	}
}

/* Arguments beyond `used` are sentinels, which the kernel ignores. */
static long call(long nr, int used, long a, long b, long c, long d)
{
	const long arg[6] = { a, b, c, d };
	const long unused[6] = { SENTINEL(0xa0), SENTINEL(0xa1), SENTINEL(0xa2),
				 SENTINEL(0xa3), SENTINEL(0xa4), SENTINEL(0xa5) };

	sentinel_frame.nr = nr;
	for (int i = 0; i < 6; i++)
		sentinel_frame.arg[i] = i < used ? arg[i] : unused[i];
	return sentinel_call();
}

static struct ring_params sqpoll = { .flags = IORING_SETUP_SQPOLL, .sq_thread_idle = 1 };
static struct ring_params plain;

/*
 * Keeps a worker busy: IOSQE_ASYNC forces one, and its open of a FIFO waits for a writer that
 * never comes. The operation must be a bounded one (not a read from a pipe), because in 5.12 only
 * a worker for bounded operations survives the interruption by a ptrace stop.
 */
static void submit_blocking_open(long ring)
{
	long rings = map(ring, IORING_OFF_SQ_RING, 4096, 0);
	check(STEP_RING_MAP, rings);
	long entries = map(ring, IORING_OFF_SQES, 4096, 0);
	check(STEP_RING_MAP, entries);

	struct sqe *sqe = (struct sqe *)entries;
	sqe->opcode = IORING_OP_OPENAT;
	sqe->flags = IOSQE_ASYNC;
	sqe->fd = AT_FDCWD;
	sqe->addr = (uintptr_t)"/fifo";
	sqe->op_flags = O_RDONLY;
	*(uint32_t *)(rings + plain.sq_off.array) = 0;
	__atomic_store_n((uint32_t *)(rings + plain.sq_off.tail), 1, __ATOMIC_RELEASE);

	long submitted = call(SYS_io_uring_enter, 4, ring, 1, SENTINEL(0xa2), IORING_ENTER_SQ_WAKEUP);
	check(STEP_SUBMIT, submitted == 1 ? 0 : submitted < 0 ? submitted : -EIO);
}

/* `path` is the file shared with the probe. */
__attribute__((used)) _Noreturn static void tracee_body(const char *path)
{
	long fd = sys3(open, path, O_RDWR, 0);
	check(STEP_MAP, fd);
	check(STEP_MAP, map(fd, 0, 4096, SHARED_ADDRESS));
	shared = (struct shared *)SHARED_ADDRESS;

	check(STEP_TLS, set_tls());
	check(STEP_SQPOLL, call(SYS_io_uring_setup, 2, 4, (long)&sqpoll, 0, 0));
	long ring = call(SYS_io_uring_setup, 2, 4, (long)&plain, 0, 0);
	check(STEP_RING, ring);
	submit_blocking_open(ring);

	shared->stage = 1;
	sentinel_loop();
}

#ifdef __x86_64__
__attribute__((used)) void tracee_main(void)
{
	tracee_body("/shared64");
}
#else
__attribute__((used)) void tracee_main(void)
{
	tracee_body("/shared32");
}
#endif
