#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
#include <sys/time.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <fcntl.h>
#include <unistd.h>
#include <sys/syscall.h>
#include <sys/mman.h>
static volatile long long *shared=0;
static void init(void){ if(shared) return; int fd=open(getenv("CLOCK_FILE"),O_RDONLY); static long long zero=0; if(fd<0){shared=&zero;return;} void*p=mmap(0,8,PROT_READ,MAP_SHARED,fd,0); close(fd); shared = p==MAP_FAILED? &zero : (volatile long long*)p; }
static long long off(void){ if(!shared) init(); return *shared; }
static int real_gettime(clockid_t c, struct timespec*t){ return syscall(SYS_clock_gettime,c,t); }
int clock_gettime(clockid_t c, struct timespec*t){
  static int (*next)(clockid_t,struct timespec*)=0; if(!next) next=dlsym(RTLD_NEXT,"clock_gettime");
  int r = next? next(c,t): real_gettime(c,t);
  if(!r && (c==CLOCK_REALTIME||c==CLOCK_REALTIME_COARSE)) t->tv_sec+=off(); return r; }
int gettimeofday(struct timeval*tv, void*tz){ struct timespec t; if(!tv) return 0; real_gettime(CLOCK_REALTIME,&t); tv->tv_sec=t.tv_sec+off(); tv->tv_usec=t.tv_nsec/1000; return 0; }
time_t time(time_t*o){ struct timespec t; real_gettime(CLOCK_REALTIME,&t); time_t r=t.tv_sec+off(); if(o)*o=r; return r; }
int timespec_get(struct timespec*t,int b){ if(b!=TIME_UTC) return 0; clock_gettime(CLOCK_REALTIME,t); return b; }
int sem_timedwait(sem_t*s,const struct timespec*a){ static int(*next)(sem_t*,const struct timespec*)=0; if(!next) next=dlsym(RTLD_NEXT,"sem_timedwait"); struct timespec b=*a; b.tv_sec-=off(); return next(s,&b); }
