// nfsbench: an NFSv3 load on libnfs that keeps a number of requests in flight, and what they took.
//   cc -O2 -o nfsbench nfsbench.c -lnfs
//   nfsbench 'nfs://127.0.0.1/EXPORT/FILE?version=3&nfsport=PORT&mountport=PORT' BLOCK_BYTES QUEUE_DEPTH SECONDS PATTERN FILE_MIB
// PATTERN: randread, seqread, randwrite or seqwrite. Writes are FILE_SYNC, as ESXi's are. The file must exist.
// Prints one line of JSON: IOPS, MiB/s, latencies at the 50th and 99th percentile in microseconds, errors.
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <nfsc/libnfs.h>

#define POLL_TIMEOUT_MS 100
#define MAX_SAMPLES (1 << 22)

enum pattern { RANDREAD, SEQREAD, RANDWRITE, SEQWRITE, UNKNOWN };
static const char *const PATTERNS[] = {"randread", "seqread", "randwrite", "seqwrite"};

static struct {
  struct nfs_context *nfs;
  struct nfsfh *file;
  enum pattern pattern;
  uint64_t block_bytes, block_count, next_block;
  char *data;
  int in_flight, is_over;
  uint64_t done, errors;
  float *latencies_us;
  size_t sample_count;
} run;

struct request {
  double started;
};

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/** xorshift64: the same sequence in every run. */
static uint64_t next_random(void) {
  static uint64_t state = 88172645463325252ULL;
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

static void die(const char *what) {
  fprintf(stderr, "nfsbench: %s: %s\n", what, nfs_get_error(run.nfs));
  exit(1);
}

static void submit(struct request *request);

static void on_reply(int status, struct nfs_context *nfs, void *data, void *private_data) {
  (void)nfs;
  (void)data;
  struct request *request = private_data;
  run.in_flight--;
  if (status < 0) {
    run.errors++;
  } else {
    run.done++;
    if (run.sample_count < MAX_SAMPLES) run.latencies_us[run.sample_count++] = (float)((now() - request->started) * 1e6);
  }
  if (!run.is_over) submit(request);
}

static void submit(struct request *request) {
  int is_random = run.pattern == RANDREAD || run.pattern == RANDWRITE;
  int is_read = run.pattern == RANDREAD || run.pattern == SEQREAD;
  uint64_t block = (is_random ? next_random() : run.next_block++) % run.block_count;
  uint64_t offset = block * run.block_bytes;
  request->started = now();
  run.in_flight++;
  int failed = is_read ? nfs_pread_async(run.nfs, run.file, offset, run.block_bytes, on_reply, request)
                       : nfs_pwrite_async(run.nfs, run.file, offset, run.block_bytes, run.data, on_reply, request);
  if (failed) die("submit");
}

static int ascending(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

static double percentile(double share) {
  if (run.sample_count == 0) return 0;
  return (double)run.latencies_us[(size_t)((double)(run.sample_count - 1) * share)];
}

static void open_file(const char *text) {
  run.nfs = nfs_init_context();
  struct nfs_url *url = nfs_parse_url_full(run.nfs, text);
  if (url == NULL) die("URL");
  if (nfs_mount(run.nfs, url->server, url->path)) die("mount");
  int flags = run.pattern <= SEQREAD ? O_RDONLY : O_RDWR | O_SYNC;
  if (nfs_open(run.nfs, url->file, flags, &run.file)) die("open");
}

static double drive(int queue_depth, double seconds) {
  struct request *requests = calloc((size_t)queue_depth, sizeof *requests);
  double started = now();
  for (int i = 0; i < queue_depth; i++) submit(&requests[i]);
  while (run.in_flight > 0) {
    struct pollfd fd = {.fd = nfs_get_fd(run.nfs), .events = (short)nfs_which_events(run.nfs)};
    poll(&fd, 1, POLL_TIMEOUT_MS);
    if (nfs_service(run.nfs, fd.revents) < 0) die("service");
    if (now() - started > seconds) run.is_over = 1;
  }
  free(requests);
  return now() - started;
}

static enum pattern pattern_of(const char *name) {
  for (int i = 0; i < UNKNOWN; i++)
    if (!strcmp(name, PATTERNS[i])) return (enum pattern)i;
  return UNKNOWN;
}

int main(int argc, char **argv) {
  if (argc != 7 || (run.pattern = pattern_of(argv[5])) == UNKNOWN) {
    fprintf(stderr, "usage: %s URL BLOCK_BYTES QUEUE_DEPTH SECONDS randread|seqread|randwrite|seqwrite FILE_MIB\n", argv[0]);
    return 2;
  }
  run.block_bytes = strtoull(argv[2], NULL, 10);
  run.block_count = (strtoull(argv[6], NULL, 10) << 20) / run.block_bytes;
  run.data = malloc(run.block_bytes);
  run.latencies_us = malloc(MAX_SAMPLES * sizeof *run.latencies_us);
  for (uint64_t i = 0; i < run.block_bytes; i++) run.data[i] = (char)next_random();
  open_file(argv[1]);

  double seconds = drive(atoi(argv[3]), atof(argv[4]));
  qsort(run.latencies_us, run.sample_count, sizeof *run.latencies_us, ascending);
  printf("{\"iops\":%.0f,\"mibPerSecond\":%.1f,\"p50Us\":%.0f,\"p99Us\":%.0f,\"errors\":%" PRIu64 "}\n",
         (double)run.done / seconds, (double)(run.done * run.block_bytes) / seconds / 1048576.0, percentile(0.5),
         percentile(0.99), run.errors);
  return run.errors > 0;
}
