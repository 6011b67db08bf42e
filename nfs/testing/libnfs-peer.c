// A foreign client's round through NFSv3: every procedure through libnfs, against a server under test.
//   cc -O1 -o libnfs-peer libnfs-peer.c -lnfs
//   libnfs-peer 'nfs://127.0.0.1/EXPORT?version=3&nfsport=PORT&mountport=PORT' ROOT_HANDLE_IN_HEX
// Prints a line per step, "ok NAME" or "FAILED NAME: why", and exits 1 when one failed. The export must be empty.
// libnfs's file calls cover most procedures; what they never send goes through its raw calls, with the handle.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/types.h>
#include <nfsc/libnfs.h>
#include <nfsc/libnfs-raw.h>
#include <nfsc/libnfs-raw-nfs.h>

#define REPLY_TIMEOUT_MS 10000
#define MANY_FILES 300

static struct nfs_context *nfs;
static struct nfs_fh3 root;
static int failures;

static void check(const char *name, int is_ok, const char *why) {
  printf(is_ok ? "ok %s\n" : "FAILED %s: %s\n", name, why);
  if (!is_ok) failures++;
}

static void expect_status(const char *name, int status, int wanted) {
  char why[400];
  snprintf(why, sizeof why, "%d, wanted %d (%s)", status, wanted, nfs_get_error(nfs));
  check(name, status == wanted, why);
}

// ---- raw calls: one at a time, the result copied out by the callback ----

struct raw {
  int is_done;
  int rpc_status;
  size_t result_size;
  void *result;
};

static void on_reply(struct rpc_context *rpc, int status, void *data, void *private_data) {
  (void)rpc;
  struct raw *raw = private_data;
  raw->is_done = 1;
  raw->rpc_status = status;
  if (status == RPC_STATUS_SUCCESS) memcpy(raw->result, data, raw->result_size);
}

static int wait_for(struct raw *raw) {
  struct rpc_context *rpc = nfs_get_rpc_context(nfs);
  while (!raw->is_done) {
    struct pollfd fd = {.fd = rpc_get_fd(rpc), .events = rpc_which_events(rpc)};
    if (poll(&fd, 1, REPLY_TIMEOUT_MS) <= 0 || rpc_service(rpc, fd.revents) < 0) return -1;
  }
  return raw->rpc_status == RPC_STATUS_SUCCESS ? 0 : -1;
}

#define RAW_CALL(procedure, args, into)                                                             \
  ({                                                                                                \
    struct raw raw_ = {.result_size = sizeof *(into), .result = (into)};                            \
    rpc_nfs3_##procedure##_async(nfs_get_rpc_context(nfs), on_reply, (args), &raw_) == 0 ? wait_for(&raw_) : -1; \
  })

static int create_exclusive(const char *name, const char *verifier) {
  CREATE3args args = {.where = {.dir = root, .name = (char *)name}, .how = {.mode = EXCLUSIVE}};
  memcpy(args.how.createhow3_u.verf, verifier, sizeof args.how.createhow3_u.verf);
  CREATE3res res;
  return RAW_CALL(create, &args, &res) < 0 ? -1 : (int)res.status;
}

static void exclusive_create(void) {
  expect_status("CREATE exclusive", create_exclusive("lock", "verifier"), NFS3_OK);
  expect_status("CREATE exclusive again", create_exclusive("lock", "verifier"), NFS3_OK);
  expect_status("CREATE exclusive by another", create_exclusive("lock", "imposter"), NFS3ERR_EXIST);
}

static void guarded_setattr(void) {
  GETATTR3args get = {.object = root};
  GETATTR3res attributes;
  if (RAW_CALL(getattr, &get, &attributes) < 0) return check("GETATTR", 0, nfs_get_error(nfs));
  check("GETATTR", attributes.GETATTR3res_u.resok.obj_attributes.type == NF3DIR, "the root is no directory");

  SETATTR3args set = {.object = root, .guard = {.check = 1}};
  set.new_attributes.mode.set_it = 1;
  set.new_attributes.mode.set_mode3_u.mode = 0755;
  set.guard.sattrguard3_u.obj_ctime = attributes.GETATTR3res_u.resok.obj_attributes.ctime;
  set.guard.sattrguard3_u.obj_ctime.seconds -= 1;
  SETATTR3res res;
  expect_status("SETATTR with a wrong guard", RAW_CALL(setattr, &set, &res) < 0 ? -1 : (int)res.status, NFS3ERR_NOT_SYNC);
  set.guard.sattrguard3_u.obj_ctime.seconds += 1;
  expect_status("SETATTR with the right guard", RAW_CALL(setattr, &set, &res) < 0 ? -1 : (int)res.status, NFS3_OK);
}

static void what_the_server_says_of_itself(void) {
  FSINFO3args info_args = {.fsroot = root};
  FSINFO3res info;
  int status = RAW_CALL(fsinfo, &info_args, &info);
  FSINFO3resok *fsinfo = &info.FSINFO3res_u.resok;
  check("FSINFO", status == 0 && info.status == NFS3_OK && fsinfo->rtmax == 1048576 && fsinfo->wtmax == 1048576 &&
                      fsinfo->rtmult == 4096 && fsinfo->maxfilesize > 1ULL << 50, "not the limits that are promised");
  PATHCONF3args path_args = {.object = root};
  PATHCONF3res path;
  status = RAW_CALL(pathconf, &path_args, &path);
  PATHCONF3resok *pathconf = &path.PATHCONF3res_u.resok;
  check("PATHCONF", status == 0 && path.status == NFS3_OK && pathconf->name_max == 255 && pathconf->no_trunc &&
                        pathconf->case_preserving && !pathconf->case_insensitive, "not what is promised");
}

static void plain_readdir(void) {
  READDIR3args args = {.dir = root, .count = 8192};
  READDIR3res res;
  int status = RAW_CALL(readdir, &args, &res);
  check("READDIR", status == 0 && res.status == NFS3_OK, nfs_get_error(nfs));
}

// ---- libnfs's file calls ----

static void content(void) {
  enum { SIZE = 300000 };
  static unsigned char written[SIZE], seen[SIZE];
  for (int i = 0; i < SIZE; i++) written[i] = (unsigned char)(i * 31 + i / 251);
  struct nfsfh *file;
  if (nfs_creat(nfs, "/data", 0640, &file)) return check("CREATE", 0, nfs_get_error(nfs));
  check("CREATE", 1, "");
  check("WRITE", nfs_pwrite(nfs, file, 0, SIZE, written) == SIZE, nfs_get_error(nfs));
  check("COMMIT", nfs_fsync(nfs, file) == 0, nfs_get_error(nfs));
  int count = nfs_pread(nfs, file, 0, SIZE, seen);
  check("READ", count == SIZE && !memcmp(written, seen, SIZE), "not what was written");
  check("READ across the end", nfs_pread(nfs, file, SIZE - 10, 4096, seen) == 10 && !memcmp(seen, written + SIZE - 10, 10),
        "not the last ten bytes");
  check("SETATTR of the size", nfs_ftruncate(nfs, file, 1000) == 0, nfs_get_error(nfs));
  struct nfs_stat_64 st;
  check("GETATTR after it", nfs_fstat64(nfs, file, &st) == 0 && st.nfs_size == 1000, "not the new size");
  nfs_close(nfs, file);
  if (nfs_open(nfs, "/data", O_RDWR | O_SYNC, &file)) return check("open", 0, nfs_get_error(nfs));
  check("WRITE of 84 bytes, FILE_SYNC", nfs_pwrite(nfs, file, 0, 84, written) == 84, nfs_get_error(nfs));
  nfs_close(nfs, file);
}

static void names(void) {
  struct nfs_stat_64 st;
  char target[64] = "";
  expect_status("MKDIR", nfs_mkdir(nfs, "/dir"), 0);
  expect_status("MKDIR over it", nfs_mkdir(nfs, "/dir"), -EEXIST);
  expect_status("RENAME", nfs_rename(nfs, "/data", "/dir/moved"), 0);
  expect_status("LOOKUP", nfs_stat64(nfs, "/dir/moved", &st), 0);
  expect_status("LOOKUP of the old name", nfs_stat64(nfs, "/data", &st), -ENOENT);
  expect_status("LINK", nfs_link(nfs, "/dir/moved", "/linked"), 0);
  check("two links", nfs_stat64(nfs, "/linked", &st) == 0 && st.nfs_nlink == 2, "not two");
  expect_status("SYMLINK", nfs_symlink(nfs, "dir/moved", "/symbolic"), 0);
  check("READLINK", nfs_readlink(nfs, "/symbolic", target, sizeof target) >= 0 && !strcmp(target, "dir/moved"), target);
  check("MKNOD is refused", nfs_mknod(nfs, "/fifo", S_IFIFO | 0644, 0) < 0, "it was not");
  expect_status("SETATTR of the mode", nfs_chmod(nfs, "/linked", 0600), 0);
  struct timeval times[2] = {{.tv_sec = 1500000000}, {.tv_sec = 1500000001}};
  expect_status("SETATTR of the times", nfs_utimes(nfs, "/linked", times), 0);
  check("both are there", nfs_stat64(nfs, "/linked", &st) == 0 && (st.nfs_mode & 07777) == 0600 && st.nfs_mtime == 1500000001,
        "not what was set");
  expect_status("ACCESS", nfs_access(nfs, "/linked", 6), 0);
  expect_status("RMDIR of a full one", nfs_rmdir(nfs, "/dir"), -ENOTEMPTY);
  expect_status("REMOVE", nfs_unlink(nfs, "/dir/moved"), 0);
  expect_status("RMDIR", nfs_rmdir(nfs, "/dir"), 0);
}

static void listing(void) {
  char name[64];
  expect_status("MKDIR for many", nfs_mkdir(nfs, "/many"), 0);
  for (int i = 0; i < MANY_FILES; i++) {
    struct nfsfh *file;
    snprintf(name, sizeof name, "/many/a-rather-long-name-for-a-file-%d", i);
    if (nfs_creat(nfs, name, 0644, &file)) return check("many files", 0, nfs_get_error(nfs));
    nfs_close(nfs, file);
  }
  struct nfsdir *dir;
  if (nfs_opendir(nfs, "/many", &dir)) return check("READDIRPLUS", 0, nfs_get_error(nfs));
  int count = 0, files = 0;
  for (struct nfsdirent *entry; (entry = nfs_readdir(nfs, dir)) != NULL; count++) files += entry->type == NF3REG;
  nfs_closedir(nfs, dir);
  check("READDIRPLUS", count == MANY_FILES + 2 && files == MANY_FILES, "not every file once");
}

static void capacity(void) {
  struct statvfs totals;
  int status = nfs_statvfs(nfs, "/", &totals);
  check("FSSTAT", status == 0 && totals.f_blocks > 0 && totals.f_bfree <= totals.f_blocks, nfs_get_error(nfs));
}

static int read_root(const char *hex) {
  static char bytes[64];
  size_t length = strlen(hex) / 2;
  if (length == 0 || length > sizeof bytes) return -1;
  for (size_t i = 0; i < length; i++) {
    unsigned value;
    if (sscanf(hex + 2 * i, "%2x", &value) != 1) return -1;
    bytes[i] = (char)value;
  }
  root.data.data_len = (u_int)length;
  root.data.data_val = bytes;
  return 0;
}

int main(int argc, char **argv) {
  if (argc != 3 || read_root(argv[2]) < 0) {
    fprintf(stderr, "usage: %s URL ROOT_HANDLE_IN_HEX\n", argv[0]);
    return 2;
  }
  nfs = nfs_init_context();
  struct nfs_url *url = nfs_parse_url_dir(nfs, argv[1]);
  if (url == NULL || nfs_mount(nfs, url->server, url->path)) {
    fprintf(stderr, "%s: %s\n", argv[1], nfs_get_error(nfs));
    return 2;
  }
  exclusive_create();
  guarded_setattr();
  what_the_server_says_of_itself();
  plain_readdir();
  content();
  names();
  listing();
  capacity();
  nfs_destroy_url(url);
  nfs_destroy_context(nfs);
  return failures > 0;
}
