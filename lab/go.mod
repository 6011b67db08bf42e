module rundirect.dev/lab

go 1.26

require (
	github.com/hanwen/go-fuse/v2 v2.12.1
	github.com/vmware/govmomi v0.55.0
)

require (
	github.com/google/uuid v1.6.0 // indirect
	golang.org/x/sys v0.28.0 // indirect
)
