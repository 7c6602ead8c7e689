/* The guest's init: reports whether Secure Boot is on, tries to load each module of /modules in the order of
 * their names, and powers off. It writes kernel messages, which are never mixed within a line. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

static FILE *kmsg;

static void report(const char *what, int value)
{
	fprintf(kmsg, "guest: %s %d\n", what, value);
	fflush(kmsg);
}

/* Four bytes of attributes, then the value. */
static int secure_boot(void)
{
	unsigned char variable[5];
	int file = open("/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", O_RDONLY);

	if (file < 0 || read(file, variable, sizeof(variable)) != sizeof(variable))
		return -errno;
	return variable[4];
}

static int load(const char *path)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);

	if (file < 0)
		return -1;
	return syscall(SYS_finit_module, file, "", 0) ? errno : 0;
}

int main(void)
{
	struct dirent **names;
	int count;

	mount("dev", "/dev", "devtmpfs", 0, NULL);
	mount("sys", "/sys", "sysfs", 0, NULL);
	mount("vars", "/sys/firmware/efi/efivars", "efivarfs", 0, NULL);
	kmsg = fopen("/dev/kmsg", "w");
	if (!kmsg)
		return 1;
	report("SecureBoot", secure_boot());
	count = scandir("/modules", &names, NULL, alphasort);
	for (int nth = 0; nth < count; nth++) {
		char path[300];

		if (names[nth]->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/modules/%s", names[nth]->d_name);
		report(names[nth]->d_name, load(path));
	}
	report("done", 0);
	reboot(RB_POWER_OFF);
	return 0;
}
