// SPDX-License-Identifier: GPL-2.0-or-later
#include "records.h"

static int port = -1;
static uint32_t sequence;
static char line[8192];
static size_t used;
/* Whether the next field is the first in its object. */
static bool first;

static void put(char c)
{
	if (used < sizeof(line))
		line[used++] = c;
}

static void puts_(const char *s)
{
	while (*s)
		put(*s++);
}

static void put_hex(uint64_t value, int digits)
{
	for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4)
		put("0123456789abcdef"[value >> shift & 15]);
}

static void put_number(long value)
{
	unsigned long rest = value < 0 ? -(unsigned long)value : (unsigned long)value;
	char digits[24];
	int n = 0;

	if (value < 0)
		put('-');
	do
		digits[n++] = '0' + rest % 10;
	while (rest /= 10);
	while (n)
		put(digits[--n]);
}

static void put_text(const char *s)
{
	put('"');
	for (; *s; s++) {
		unsigned char c = *s;

		if (c == '"' || c == '\\') {
			put('\\');
			put(c);
		} else if (c < 0x20 || c > 0x7e) {
			puts_("\\u00");
			put_hex(c, 2);
		} else {
			put(c);
		}
	}
	put('"');
}

static void name(const char *field)
{
	if (!first)
		put(',');
	first = false;
	put_text(field);
	put(':');
}

/* CRC-32 as in IEEE 802.3 and zlib. */
static uint32_t crc32(const char *data, size_t size)
{
	uint32_t crc = ~0u;

	while (size--) {
		crc ^= (unsigned char)*data++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

static void write_all(const char *data, size_t size)
{
	while (size) {
		long n = sys3(write, port, data, size);

		if (n <= 0)
			return;
		data += n;
		size -= n;
	}
}

void records_open(bool alone)
{
	if (!alone) {
		port = 1;
		return;
	}
	sys3(mknod, "/ttyS1", S_IFCHR | 0600, 4 << 8 | 65);
	port = sys3(open, "/ttyS1", O_RDWR | O_NOCTTY, 0);
}

void record_begin(const char *kind)
{
	used = 0;
	first = true;
	put('{');
	field_text("record", kind);
}

void record_end(void)
{
	static char head[64];
	size_t size;

	put('}');
	uint32_t crc = crc32(line, used);
	size = used;

	/* The head precedes the body but contains its checksum, so the body is set aside first. */
	static char body[sizeof(line)];
	for (size_t i = 0; i < size; i++)
		body[i] = line[i];
	used = 0;
	puts_("@kpatch-build ");
	put_number(sequence++);
	put(' ');
	put_hex(crc, 8);
	put(' ');
	for (size_t i = 0; i < used; i++)
		head[i] = line[i];
	write_all(head, used);
	write_all(body, size);
	write_all("\n", 1);
}

void field_text(const char *field, const char *value)
{
	name(field);
	put_text(value);
}

void field_bool(const char *field, bool value)
{
	name(field);
	puts_(value ? "true" : "false");
}

void field_maybe(const char *field, int value)
{
	if (value < 0)
		field_null(field);
	else
		field_bool(field, value);
}

void field_number(const char *field, long value)
{
	name(field);
	put_number(value);
}

void field_hex(const char *field, uint64_t value)
{
	int digits = 1;

	name(field);
	while (digits < 16 && value >> (4 * digits))
		digits++;
	puts_("\"0x");
	put_hex(value, digits);
	put('"');
}

void field_null(const char *field)
{
	name(field);
	puts_("null");
}

void field_errno(const char *field, long ret)
{
	field_text(field, errno_name(ret));
}

void object_begin(const char *field)
{
	name(field);
	put('{');
	first = true;
}

void object_end(void)
{
	put('}');
	first = false;
}

void step(const char *what, int bits)
{
	record_begin("step");
	field_text("what", what);
	field_number("tracee_bits", bits);
	record_end();
}

void note(const char *what, long ret)
{
	record_begin("note");
	field_text("what", what);
	field_errno("error", ret);
	record_end();
}

const char *errno_name(long ret)
{
	static char other[] = "errno 000";

	if (ret >= 0)
		return "ok";
#define NAME(e) case e: return #e
	switch (-ret) {
		NAME(EPERM); NAME(ENOENT); NAME(ESRCH); NAME(EINTR); NAME(EIO); NAME(ENOEXEC);
		NAME(ECHILD); NAME(EAGAIN); NAME(ENOMEM); NAME(EACCES); NAME(EFAULT); NAME(EBUSY);
		NAME(EEXIST); NAME(ENODEV); NAME(ENOTDIR); NAME(EINVAL); NAME(ENOSYS);
		NAME(EOPNOTSUPP); NAME(ETIMEDOUT);
	}
#undef NAME
	other[6] = '0' + -ret / 100 % 10;
	other[7] = '0' + -ret / 10 % 10;
	other[8] = '0' + -ret % 10;
	return other;
}
