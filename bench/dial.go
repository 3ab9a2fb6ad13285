// dial SECONDS IN_FLIGHT PORT...: dials ports of 127.0.0.1 as a Go program would, and prints checks, failures, seconds and CPU µs.
package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func cpuMicros() int64 {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return usage.Utime.Nano()/1000 + usage.Stime.Nano()/1000
}

func main() {
	seconds, _ := strconv.ParseFloat(os.Args[1], 64)
	inFlight, _ := strconv.Atoi(os.Args[2])
	addresses := []string{}
	for _, port := range os.Args[3:] {
		addresses = append(addresses, "127.0.0.1:"+port)
	}
	var next, failures uint64
	var all sync.WaitGroup
	begin, cpu := time.Now(), cpuMicros()
	end := begin.Add(time.Duration(seconds * float64(time.Second)))
	for i := 0; i < inFlight; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			for time.Now().Before(end) {
				at := atomic.AddUint64(&next, 1)
				conn, err := net.DialTimeout("tcp", addresses[at%uint64(len(addresses))], 2*time.Second)
				if err != nil {
					atomic.AddUint64(&failures, 1)
					continue
				}
				conn.(*net.TCPConn).SetLinger(0)
				conn.Close()
			}
		}()
	}
	all.Wait()
	fmt.Println(next, failures, time.Since(begin).Seconds(), cpuMicros()-cpu)
}
