// A crictl for machines where the real one cannot be downloaded: what kubeadm calls, and what people ask of a node.
// It speaks the CRI (v1alpha2) by Kubernetes' own client, and prints what kubeadm reads.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1alpha2"
	"k8s.io/kubernetes/pkg/kubelet/cri/remote"
)

const (
	defaultEndpoint = "unix:///run/containerd/containerd.sock"
	patience        = 2 * time.Minute
	pullPatience    = 10 * time.Minute
	gracePeriod     = 10 // seconds
)

// A call is a command line after the command: its names, and whether only identifiers or everything is wanted.
type call struct {
	names []string
	quiet bool
	all   bool
	node  node
}

type node struct {
	runtime interface {
		Version(string) (*cri.VersionResponse, error)
		Status() (*cri.RuntimeStatus, error)
		ListPodSandbox(*cri.PodSandboxFilter) ([]*cri.PodSandbox, error)
		ListContainers(*cri.ContainerFilter) ([]*cri.Container, error)
		StopPodSandbox(string) error
		RemovePodSandbox(string) error
		StopContainer(string, int64) error
		RemoveContainer(string) error
	}
	images interface {
		ListImages(*cri.ImageFilter) ([]*cri.Image, error)
		ImageStatus(*cri.ImageSpec) (*cri.Image, error)
		PullImage(*cri.ImageSpec, *cri.AuthConfig, *cri.PodSandboxConfig) (string, error)
		RemoveImage(*cri.ImageSpec) error
	}
}

var commands = map[string]func(call) error{
	"version":  version,
	"info":     info,
	"pods":     pods,
	"ps":       containers,
	"images":   images,
	"pull":     pull,
	"inspecti": inspectImage,
	"rmi": each(func(n node, name string) error {
		return n.images.RemoveImage(&cri.ImageSpec{Image: name})
	}),
	"stopp": each(func(n node, name string) error { return n.runtime.StopPodSandbox(name) }),
	"rmp":   each(func(n node, name string) error { return n.runtime.RemovePodSandbox(name) }),
	"stop":  each(func(n node, name string) error { return n.runtime.StopContainer(name, gracePeriod) }),
	"rm":    each(func(n node, name string) error { return n.runtime.RemoveContainer(name) }),
}

func each(one func(node, string) error) func(call) error {
	return func(c call) error {
		for _, name := range c.names {
			if err := one(c.node, name); err != nil {
				return err
			}
		}
		return nil
	}
}

func version(c call) error {
	v, err := c.node.runtime.Version("0.1.0")
	if err == nil {
		fmt.Printf("Version:  %s\nRuntimeName:  %s\nRuntimeVersion:  %s\nRuntimeApiVersion:  %s\n",
			v.Version, v.RuntimeName, v.RuntimeVersion, v.RuntimeApiVersion)
	}
	return err
}

func info(c call) error {
	status, err := c.node.runtime.Status()
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]interface{}{"status": status})
}

func pods(c call) error {
	found, err := c.node.runtime.ListPodSandbox(nil)
	for _, pod := range found {
		if c.quiet {
			fmt.Println(pod.Id)
		} else {
			fmt.Println(short(pod.Id), pod.State, pod.Metadata.Namespace, pod.Metadata.Name)
		}
	}
	return err
}

func containers(c call) error {
	var filter *cri.ContainerFilter
	if !c.all {
		running := &cri.ContainerStateValue{State: cri.ContainerState_CONTAINER_RUNNING}
		filter = &cri.ContainerFilter{State: running}
	}
	found, err := c.node.runtime.ListContainers(filter)
	for _, one := range found {
		if c.quiet {
			fmt.Println(one.Id)
		} else {
			fmt.Println(short(one.Id), one.State, one.Metadata.Name, one.Metadata.Attempt, one.Image.Image)
		}
	}
	return err
}

func images(c call) error {
	found, err := c.node.images.ListImages(nil)
	for _, image := range found {
		if c.quiet {
			fmt.Println(image.Id)
		} else {
			fmt.Println(strings.Join(append(image.RepoTags, image.RepoDigests...), " "), image.Id, image.Size_)
		}
	}
	return err
}

func pull(c call) error {
	for _, name := range c.names {
		reference, err := c.node.images.PullImage(&cri.ImageSpec{Image: name}, nil, nil)
		if err != nil {
			return err
		}
		fmt.Println("Image is up to date for", reference)
	}
	return nil
}

func inspectImage(c call) error {
	for _, name := range c.names {
		image, err := c.node.images.ImageStatus(&cri.ImageSpec{Image: name})
		if err != nil {
			return err
		}
		if image == nil {
			return fmt.Errorf("no such image %q present", name)
		}
		if c.quiet {
			fmt.Println(image.Id)
		} else if err := json.NewEncoder(os.Stdout).Encode(map[string]interface{}{"status": image}); err != nil {
			return err
		}
	}
	return nil
}

func short(id string) string {
	if len(id) > 13 {
		return id[:13]
	}
	return id
}

func main() {
	endpoint, words := options(os.Args[1:])
	if len(words) == 0 || commands[words[0]] == nil {
		fmt.Fprintln(os.Stderr, "usage: crictl [-r ENDPOINT] info|version|pods|ps|images|pull|inspecti|rmi|stopp|rmp|stop|rm [NAME…]")
		os.Exit(2)
	}
	if err := run(endpoint, words[0], words[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "crictl:", err)
		os.Exit(1)
	}
}

// options reads what stands before the command: the endpoint, and the command with what follows it.
func options(words []string) (string, []string) {
	endpoint := defaultEndpoint
	for len(words) > 0 && strings.HasPrefix(words[0], "-") {
		switch words[0] {
		case "-v", "--version":
			fmt.Println("crictl version v1.20.0")
			os.Exit(0)
		case "-r", "--runtime-endpoint":
			if len(words) > 1 {
				endpoint = words[1]
			}
			fallthrough
		case "-i", "--image-endpoint", "-t", "--timeout":
			if len(words) > 1 {
				words = words[1:]
			}
		}
		words = words[1:]
	}
	return endpoint, words
}

func run(endpoint, command string, words []string) error {
	c := call{}
	for _, word := range words {
		switch {
		case word == "-q" || word == "--quiet":
			c.quiet = true
		case word == "-a" || word == "--all":
			c.all = true
		case !strings.HasPrefix(word, "-"):
			c.names = append(c.names, word)
		}
	}
	runtime, err := remote.NewRemoteRuntimeService(endpoint, patience)
	if err != nil {
		return err
	}
	images, err := remote.NewRemoteImageService(endpoint, pullPatience)
	if err != nil {
		return err
	}
	c.node = node{runtime, images}
	return commands[command](c)
}
