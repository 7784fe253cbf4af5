/* The upper limit of deliveries: a loop that sends one ready frame to each of 500 sockets repeatedly.
 *
 *   cc -O2 -o ready_frames ready_frames.c && ./ready_frames SECONDS
 *
 * Another process reads, like the load client. Prints frames per second and frames per second of processor time. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { RECEIVERS = 500 };

static double now(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec + at.tv_nsec / 1e9;
}

/* The reading process: reads until all sockets are closed. */
static void receive(struct sockaddr_in *server) {
  int epoll = epoll_create1(0), open = RECEIVERS;
  struct epoll_event events[64];
  static char buffer[262144];
  for (int i = 0; i < RECEIVERS; i++) {
    struct epoll_event event = {.events = EPOLLIN};
    event.data.fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(event.data.fd, (struct sockaddr *)server, sizeof *server)) exit(1);
    epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event);
  }
  while (open) {
    int count = epoll_wait(epoll, events, 64, -1);
    for (int i = 0; i < count; i++)
      if (recv(events[i].data.fd, buffer, sizeof buffer, 0) <= 0) {
        close(events[i].data.fd);
        open--;
      }
  }
  exit(0);
}

int main(int argc, char **argv) {
  double seconds = argc > 1 ? atof(argv[1]) : 3;
  struct sockaddr_in server = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof server;
  int listener = socket(AF_INET, SOCK_STREAM, 0), sockets[RECEIVERS], one = 1;
  if (bind(listener, (struct sockaddr *)&server, size) || listen(listener, RECEIVERS)) return 1;
  getsockname(listener, (struct sockaddr *)&server, &size);
  if (!fork()) receive(&server);
  for (int i = 0; i < RECEIVERS; i++) {
    sockets[i] = accept(listener, NULL, NULL);
    setsockopt(sockets[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  }
  char frame[64] = "\x81\x3e" "42[\"said\",{\"m\":\"hello world hello world hello world\"}]";
  long sent = 0;
  double began = now();
  while (now() < began + seconds)
    for (int i = 0; i < RECEIVERS; i++) sent += send(sockets[i], frame, sizeof frame, 0) > 0;
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  double cpu = used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
  printf("%.0f %.0f\n", sent / (now() - began), sent / cpu);
  return 0;
}
