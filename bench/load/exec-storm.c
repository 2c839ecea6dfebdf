/* exec-storm PROGRAM COUNT PER_SECOND: starts a program so often, evenly, each after the end of the one before it or of two at once;
 * prints how many were started, and in how many seconds. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

static long storm(char *program, long count, double per_second) {
  char *arguments[] = {program, NULL};
  char *environment[] = {NULL};
  double start = now();
  long started = 0;
  for (long number = 0; number < count; number++) {
    double early = start + number / per_second - now();
    if (early > 0) {
      struct timespec pause = {(time_t)early, (long)((early - (time_t)early) * 1e9)};
      nanosleep(&pause, NULL);
    }
    pid_t child = vfork();
    if (child == 0) {
      execve(program, arguments, environment);
      _exit(127);
    }
    if (child < 0) continue;
    int status;
    waitpid(child, &status, 0);
    if (status == 0) started++;
  }
  return started;
}

int main(int count, char **values) {
  if (count != 4) return 2;
  long wanted = atol(values[2]);
  double per_second = atof(values[3]);
  double start = now();
  int ends[2];
  if (pipe(ends) != 0) return 1;
  pid_t other = fork();
  if (other == 0) {
    long started = storm(values[1], wanted / 2, per_second / 2);
    return write(ends[1], &started, sizeof started) == sizeof started ? 0 : 1;
  }
  long started = storm(values[1], wanted - wanted / 2, per_second / 2);
  long others = 0;
  if (read(ends[0], &others, sizeof others) != sizeof others) return 1;
  waitpid(other, NULL, 0);
  printf("{\"started\":%ld,\"seconds\":%.3f}\n", started + others, now() - start);
  return 0;
}
