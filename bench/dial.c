/*
 * dial half-open|rst SECONDS IN_FLIGHT PORT...: dials ports of 127.0.0.1 with only the system calls of the kernel prober, and prints checks,
 * failures, seconds and CPU µs. This is the least that a check can cost.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int epoll, half_open;
static long checks, failures;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static long cpu_micros(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000L + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

static void end(int fd, int failed) {
  checks++;
  failures += failed;
  if (fd >= 0) close(fd);
}

/* Returns true if the dial is under way. */
static int begin(int port) {
  int zero = 0, one = 1;
  struct linger none = {1, 0};
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return end(fd, 1), 0;
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
  if (half_open) setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &zero, sizeof zero);
  setsockopt(fd, IPPROTO_IP, IP_RECVERR, &one, sizeof one);
  if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0) return end(fd, 0), 0;
  if (errno != EINPROGRESS) return end(fd, 1), 0;
  struct epoll_event event = {.events = EPOLLOUT | EPOLLONESHOT, .data.fd = fd};
  epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
  return 1;
}

static void conclude(struct epoll_event *event) {
  struct tcp_info info;
  socklen_t length = sizeof info;
  getsockopt(event->data.fd, IPPROTO_TCP, TCP_INFO, &info, &length);
  end(event->data.fd, (event->events & (EPOLLERR | EPOLLHUP)) != 0);
}

int main(int argc, char **argv) {
  if (argc < 5) return 2;
  half_open = strcmp(argv[1], "half-open") == 0;
  double seconds = atof(argv[2]), started = now(), until = started + seconds;
  long cpu = cpu_micros(), next = 0;
  int most = atoi(argv[3]), ports = argc - 4, in_flight = 0;
  struct epoll_event events[256];
  epoll = epoll_create1(EPOLL_CLOEXEC);
  for (;;) {
    int open = now() < until;
    for (int i = 0; open && in_flight < most && i < most; i++) in_flight += begin(atoi(argv[4 + next++ % ports]));
    if (!open && in_flight == 0) break;
    int count = epoll_wait(epoll, events, 256, 1000);
    for (int i = 0; i < count; i++) conclude(&events[i]);
    if (count == 0 && !open) break;
    in_flight -= count > 0 ? count : 0;
  }
  printf("%ld %ld %f %ld\n", checks, failures, now() - started, cpu_micros() - cpu);
}
