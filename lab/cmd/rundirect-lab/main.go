// Command rundirect-lab plays vSphere without ESXi.
//
//	rundirect-lab serve --directory DIR --guest-disk FILE [--model esx|vcenter] …
//	rundirect-lab mount --host HOST --nfs-port N --mount-port N --path PATH --directory DIR
//
// serve runs a lab until SIGTERM; its first line on standard output is a JSON object that says where it is. mount is
// one NFS mount, which serve starts as a process of its own.
package main

import (
	"fmt"
	"os"
)

const usage = "usage: rundirect-lab serve|mount [flags]; see rundirect-lab serve --help"

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
	var err error
	switch os.Args[1] {
	case "serve":
		err = serve(os.Args[2:])
	case "mount":
		err = mount(os.Args[2:])
	default:
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "rundirect-lab:", err)
		os.Exit(1)
	}
}
