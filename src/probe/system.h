/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parts of the kernel's user-space interface that the probe uses. Numbers and layouts are
 * repeated here because the host may lack a libc or kernel headers for one of the word sizes.
 */
#ifndef PROBE_SYSTEM_H
#define PROBE_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* arch/x86/entry/syscalls/syscall_64.tbl and syscall_32.tbl */
#ifdef __x86_64__
enum {
	SYS_read = 0, SYS_write = 1, SYS_open = 2, SYS_close = 3, SYS_poll = 7, SYS_mmap = 9,
	SYS_ioctl = 16, SYS_pipe = 22, SYS_dup2 = 33, SYS_nanosleep = 35, SYS_getpid = 39,
	SYS_fork = 57, SYS_execve = 59, SYS_exit = 60, SYS_wait4 = 61, SYS_kill = 62,
	SYS_uname = 63, SYS_ftruncate = 77, SYS_chdir = 80, SYS_mkdir = 83, SYS_unlink = 87,
	SYS_ptrace = 101, SYS_setsid = 112, SYS_mknod = 133, SYS_arch_prctl = 158,
	SYS_chroot = 161, SYS_mount = 165, SYS_reboot = 169, SYS_getdents64 = 217,
	SYS_clock_gettime = 228, SYS_tgkill = 234, SYS_prlimit64 = 302,
};
#else
enum {
	SYS_exit = 1, SYS_open = 5, SYS_nanosleep = 162, SYS_mmap2 = 192,
	SYS_set_thread_area = 243,
};
#endif
enum { SYS_io_uring_setup = 425, SYS_io_uring_enter = 426 };

/* include/uapi/asm-generic/errno-base.h */
enum {
	EPERM = 1, ENOENT = 2, ESRCH = 3, EINTR = 4, EIO = 5, ENOEXEC = 8, ECHILD = 10,
	EAGAIN = 11, ENOMEM = 12, EACCES = 13, EFAULT = 14, EBUSY = 16, EEXIST = 17,
	ENODEV = 19, ENOTDIR = 20, EINVAL = 22, ENOSYS = 38, EOPNOTSUPP = 95, ETIMEDOUT = 110,
};

enum {
	O_RDONLY = 0, O_WRONLY = 1, O_RDWR = 2, O_CREAT = 0100, O_NOCTTY = 0400, O_TRUNC = 01000,
	O_DIRECTORY = 0200000,
};
enum { PROT_READ = 1, PROT_WRITE = 2, MAP_SHARED = 1, MAP_FIXED = 16 };
enum { S_IFIFO = 0010000, S_IFCHR = 0020000 };
enum { SIGINT = 2, SIGTRAP = 5, SIGABRT = 6, SIGKILL = 9, SIGTERM = 15, SIGCONT = 18, SIGSTOP = 19 };
enum { WNOHANG = 1, WUNTRACED = 2, __WALL = 0x40000000 };

/* include/uapi/linux/ptrace.h, arch/x86/include/uapi/asm/ptrace-abi.h */
enum {
	PTRACE_TRACEME = 0, PTRACE_PEEKUSER = 3, PTRACE_CONT = 7, PTRACE_GETREGS = 12,
	PTRACE_ATTACH = 16, PTRACE_DETACH = 17, PTRACE_SYSCALL = 24, PTRACE_SETOPTIONS = 0x4200,
	PTRACE_GETREGSET = 0x4204, PTRACE_SEIZE = 0x4206, PTRACE_INTERRUPT = 0x4207,
};
enum { PTRACE_O_TRACESYSGOOD = 1, PTRACE_O_EXITKILL = 0x100000 };
enum { PTRACE_EVENT_STOP = 128, NT_PRSTATUS = 1 };

struct timespec { long sec, nsec; };
struct iovec { void *base; size_t len; };

#ifdef __x86_64__
static inline long syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}
#else
static inline long syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	/* The sixth argument goes into ebp, which the compiler may need for itself. */
	struct { long nr, f; } in = { nr, f };
	long ret;

	__asm__ volatile("push %%ebp\n\tmov 4(%%eax), %%ebp\n\tmov (%%eax), %%eax\n\tint $0x80\n\tpop %%ebp"
			 : "=a"(ret)
			 : "0"(&in), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
			 : "memory");
	return ret;
}
#endif

#define sys0(n) syscall(SYS_##n, 0, 0, 0, 0, 0, 0)
#define sys1(n, a) syscall(SYS_##n, (long)(a), 0, 0, 0, 0, 0)
#define sys2(n, a, b) syscall(SYS_##n, (long)(a), (long)(b), 0, 0, 0, 0)
#define sys3(n, a, b, c) syscall(SYS_##n, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define sys4(n, a, b, c, d) syscall(SYS_##n, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define sys5(n, a, b, c, d, e) \
	syscall(SYS_##n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)
#define sys6(n, a, b, c, d, e, f) \
	syscall(SYS_##n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

#endif
