package main

import (
	"flag"
	"os"

	"rundirect.dev/lab/internal/nfs3"
	"rundirect.dev/lab/internal/nfsmount"
)

func mount(arguments []string) error {
	flags := flag.NewFlagSet("mount", flag.ExitOnError)
	host := flags.String("host", "", "the NFS server")
	nfsPort := flags.Int("nfs-port", 2049, "port of the NFS service")
	mountPort := flags.Int("mount-port", 20048, "port of the MOUNT service")
	path := flags.String("path", "", "the export")
	directory := flags.String("directory", "", "where to mount")
	_ = flags.Parse(arguments)
	return nfsmount.Serve(nfs3.Options{Host: *host, NFSPort: *nfsPort, MountPort: *mountPort, Path: *path}, *directory, os.Stdout)
}
