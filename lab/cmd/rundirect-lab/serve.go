package main

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"rundirect.dev/lab/internal/control"
	"rundirect.dev/lab/internal/guest"
	"rundirect.dev/lab/internal/vim"
)

// info is the first line that serve prints, and GET /info. It has no secret: the password is in the credentials file.
type info struct {
	URL         string `json:"url"`
	Host        string `json:"host"`
	Port        int    `json:"port"`
	User        string `json:"user"`
	Fingerprint string `json:"fingerprint"`
	Model       string `json:"model"`
	PID         int    `json:"pid"`
	Directory   string `json:"directory"`
	NFSPort     int    `json:"nfsPort"`
	MountPort   int    `json:"mountPort"`
}

type credentials struct {
	User     string `json:"user"`
	Password string `json:"password"`
}

const (
	credentialsFile = "credentials.json"
	lockFile        = "lab.lock"
	passwordBytes   = 12
)

func serve(arguments []string) error {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	var config vim.Config
	flags.StringVar(&config.Directory, "directory", "", "the lab's work folder")
	flags.StringVar(&config.Model, "model", "esx", "esx or vcenter")
	port := flags.Int("port", 0, "port of the API on 127.0.0.1; 0 for any free one")
	flags.IntVar(&config.NFSPort, "nfs-port", 2049, "port at which NFS servers are mounted")
	flags.IntVar(&config.MountPort, "mount-port", 20048, "port at which their MOUNT service is asked")
	flags.StringVar(&config.GuestDisk, "guest-disk", "", "disk image of new machines")
	flags.StringVar(&config.Accelerator, "accelerator", "", "tcg or kvm; the best that works unless said")
	_ = flags.Parse(arguments)
	if config.Directory == "" {
		return errors.New("--directory is needed")
	}
	if config.Accelerator == "" {
		config.Accelerator = guest.UsableAccelerator()
	}
	if err := os.MkdirAll(config.Directory, 0o700); err != nil {
		return err
	}
	unlock, err := lock(config.Directory)
	if err != nil {
		return err
	}
	defer unlock()
	if config.User, config.Password, err = login(config.Directory, config.Model); err != nil {
		return err
	}
	config.Listen = fmt.Sprintf("127.0.0.1:%d", *port)
	return run(config)
}

func run(config vim.Config) error {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)
	lab, err := vim.Open(config)
	if err != nil {
		return err
	}
	defer lab.Close()
	directory, err := filepath.Abs(config.Directory)
	if err != nil {
		return err
	}
	address := lab.Address()
	where := info{
		URL: fmt.Sprintf("https://%s/sdk", address), Host: address.IP.String(), Port: address.Port, User: config.User,
		Fingerprint: lab.Fingerprint(), Model: config.Model, PID: os.Getpid(), Directory: directory,
		NFSPort: config.NFSPort, MountPort: config.MountPort,
	}
	controls, err := control.Serve(lab, where, directory)
	if err != nil {
		return err
	}
	defer controls.Close()
	if err := json.NewEncoder(os.Stdout).Encode(where); err != nil {
		return err
	}
	<-ended
	return nil
}

// lock keeps a second lab out of the folder. The kernel drops it with the process.
func lock(directory string) (func(), error) {
	file, err := os.OpenFile(filepath.Join(directory, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("another lab runs in %s", directory)
	}
	return func() { _ = file.Close() }, nil
}

// login takes user and password from the environment, else from the folder's file, which it makes when it is not
// there. The environment's are written there too: that is where clients read them.
func login(directory, model string) (user, password string, err error) {
	path := filepath.Join(directory, credentialsFile)
	var c credentials
	if data, err := os.ReadFile(path); err == nil {
		if err := json.Unmarshal(data, &c); err != nil {
			return "", "", fmt.Errorf("%s: %w", path, err)
		}
	}
	if given := os.Getenv("RUNDIRECT_LAB_USER"); given != "" {
		c.User = given
	}
	if given := os.Getenv("RUNDIRECT_LAB_PASSWORD"); given != "" {
		c.Password = given
	}
	if c.User == "" {
		c.User = map[string]string{"esx": "root", "vcenter": "administrator@vsphere.local"}[model]
	}
	if c.Password == "" {
		secret := make([]byte, passwordBytes)
		_, _ = rand.Read(secret)
		c.Password = "Lab-" + hex.EncodeToString(secret)
	}
	_ = os.Unsetenv("RUNDIRECT_LAB_PASSWORD")
	data, err := json.Marshal(c)
	if err != nil {
		return "", "", err
	}
	return c.User, c.Password, os.WriteFile(path, append(data, '\n'), 0o600)
}
