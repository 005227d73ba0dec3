// Gives a program that it is preloaded into a wall clock that is ahead of the machine's, or behind it, by the seconds in
// the file that MYSQLTEST_CLOCK names (eight bytes, this machine's order), and follows what is written there at once.
//
// What is waited for takes as long as ever: a moment of the wall clock that is given to wait until is taken for one of
// that clock. Moments of clocks that count from the machine's start are smaller by far, and left alone.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const int64_t none = 0;
static const volatile int64_t *ahead = &none;

static int (*real_clock_gettime)(clockid_t, struct timespec *);
static int (*real_cond_timedwait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
static int (*real_cond_clockwait)(pthread_cond_t *, pthread_mutex_t *, clockid_t, const struct timespec *);

// Before the first moment that a wall clock of these days shows, and after any that the machine can have run for.
static const time_t wall = 1000000000;

__attribute__((constructor)) static void begin(void) {
	const char *path = getenv("MYSQLTEST_CLOCK");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	void *page = mmap(NULL, sizeof *ahead, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (page != MAP_FAILED)
		ahead = page;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
	if (!real_clock_gettime)
		real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
	int failed = real_clock_gettime(clock, now);
	if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		now->tv_sec += *ahead;
	return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
	(void)zone;
	struct timespec precise;
	int failed = clock_gettime(CLOCK_REALTIME, &precise);
	if (!failed && now) {
		now->tv_sec = precise.tv_sec;
		now->tv_usec = precise.tv_nsec / 1000;
	}
	return failed;
}

time_t time(time_t *now) {
	struct timespec precise;
	if (clock_gettime(CLOCK_REALTIME, &precise))
		return -1;
	if (now)
		*now = precise.tv_sec;
	return precise.tv_sec;
}

static struct timespec machines(const struct timespec *moment) {
	struct timespec real = *moment;
	if (real.tv_sec > wall)
		real.tv_sec -= *ahead;
	return real;
}

int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until) {
	if (!real_cond_timedwait) {
		// The oldest of its versions is for condition variables of another shape.
		real_cond_timedwait = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
		if (!real_cond_timedwait)
			real_cond_timedwait = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
	}
	struct timespec real = machines(until);
	return real_cond_timedwait(cond, mutex, &real);
}

int pthread_cond_clockwait(pthread_cond_t *cond, pthread_mutex_t *mutex, clockid_t clock, const struct timespec *until) {
	if (!real_cond_clockwait)
		real_cond_clockwait = dlsym(RTLD_NEXT, "pthread_cond_clockwait");
	struct timespec real = machines(until);
	return real_cond_clockwait(cond, mutex, clock, &real);
}
