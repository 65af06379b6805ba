// A cluster DNS for machines where CoreDNS cannot be downloaded: services and their endpoints in cluster.local, names of
// cluster addresses, and everything else by the node's resolver. It takes CoreDNS's -conf, of which it needs nothing.
package main

import (
	"flag"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/miekg/dns"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/rest"
)

const (
	zone        = "cluster.local."
	reverseZone = ".in-addr.arpa."
	ttl         = 5 // seconds
)

type server struct {
	services  listers.ServiceLister
	endpoints listers.EndpointsLister
}

func (s server) ServeDNS(w dns.ResponseWriter, request *dns.Msg) {
	if len(request.Question) != 1 {
		dns.HandleFailed(w, request)
		return
	}
	question := request.Question[0]
	name := strings.ToLower(question.Name)
	reply := new(dns.Msg)
	reply.SetReply(request)
	reply.Authoritative = true
	switch {
	case name == zone || strings.HasSuffix(name, "."+zone):
		s.forward(reply, question, name)
	case question.Qtype == dns.TypePTR && strings.HasSuffix(name, reverseZone):
		s.reverse(reply, question, name)
	default:
		if answer := askNode(request); answer != nil {
			reply = answer
		} else {
			reply.Authoritative = false
			reply.Rcode = dns.RcodeServerFailure
		}
	}
	if err := w.WriteMsg(reply); err != nil {
		log.Print(err)
	}
}

// forward answers for a name of ours: an address for each A, an empty answer for other types, else NXDOMAIN.
func (s server) forward(reply *dns.Msg, question dns.Question, name string) {
	addresses, known := s.addresses(name)
	if question.Qtype == dns.TypeA {
		for _, address := range addresses {
			reply.Answer = append(reply.Answer, &dns.A{Hdr: header(question.Name, dns.TypeA), A: net.ParseIP(address)})
		}
	}
	if len(reply.Answer) > 0 {
		return
	}
	if !known {
		reply.Rcode = dns.RcodeNameError
	}
	reply.Ns = []dns.RR{&dns.SOA{
		Hdr: header(zone, dns.TypeSOA), Ns: "ns.dns." + zone, Mbox: "hostmaster." + zone,
		Serial: uint32(time.Now().Unix()), Refresh: 7200, Retry: 1800, Expire: 86400, Minttl: ttl,
	}}
}

// addresses says where SERVICE.NAMESPACE.svc is, or one of its endpoints HOST.SERVICE.NAMESPACE.svc, and whether the
// name exists at all.
func (s server) addresses(name string) ([]string, bool) {
	words := dns.SplitDomainName(strings.TrimSuffix(name, zone))
	if len(words) < 3 {
		return nil, len(words) == 0 || words[len(words)-1] == "svc"
	}
	host, words := words[:len(words)-3], words[len(words)-3:]
	if words[2] != "svc" || len(host) > 1 {
		return nil, false
	}
	service, err := s.services.Services(words[1]).Get(words[0])
	if err != nil {
		return nil, false
	}
	if service.Spec.ClusterIP != "" && service.Spec.ClusterIP != core.ClusterIPNone {
		if len(host) > 0 {
			return nil, false
		}
		return []string{service.Spec.ClusterIP}, true
	}
	var found []string
	if endpoints, err := s.endpoints.Endpoints(words[1]).Get(words[0]); err == nil {
		found = matching(endpoints, host)
	}
	return found, len(host) == 0 || len(found) > 0
}

// matching gives the addresses of a headless service: all, or those of the endpoint that is called host.
func matching(endpoints *core.Endpoints, host []string) []string {
	var found []string
	for _, subset := range endpoints.Subsets {
		for _, address := range subset.Addresses {
			called := address.Hostname
			if called == "" {
				called = strings.ReplaceAll(address.IP, ".", "-")
			}
			if len(host) == 0 || host[0] == called {
				found = append(found, address.IP)
			}
		}
	}
	return found
}

func (s server) reverse(reply *dns.Msg, question dns.Question, name string) {
	parts := strings.Split(strings.TrimSuffix(name, reverseZone), ".")
	for left, right := 0, len(parts)-1; left < right; left, right = left+1, right-1 {
		parts[left], parts[right] = parts[right], parts[left]
	}
	address := strings.Join(parts, ".")
	services, _ := s.services.List(labels.Everything())
	for _, service := range services {
		if service.Spec.ClusterIP == address {
			target := service.Name + "." + service.Namespace + ".svc." + zone
			reply.Answer = append(reply.Answer, &dns.PTR{Hdr: header(question.Name, dns.TypePTR), Ptr: target})
		}
	}
	if len(reply.Answer) == 0 {
		reply.Rcode = dns.RcodeNameError
	}
}

// askNode asks the resolver that the node has; nil when there is none that answers.
func askNode(request *dns.Msg) *dns.Msg {
	config, err := dns.ClientConfigFromFile("/etc/resolv.conf")
	if err != nil || len(config.Servers) == 0 {
		return nil
	}
	answer, err := dns.Exchange(request, net.JoinHostPort(config.Servers[0], config.Port))
	if err != nil {
		return nil
	}
	return answer
}

func header(name string, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: ttl}
}

// say answers health questions with 200 from now on.
func say(address string) {
	go func() {
		log.Fatal(http.ListenAndServe(address, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("OK\n"))
		})))
	}()
}

func main() {
	conf := flag.String("conf", "", "a Corefile, which must exist")
	flag.Parse()
	if *conf != "" {
		if _, err := os.Stat(*conf); err != nil {
			log.Fatal(err)
		}
	}
	config, err := rest.InClusterConfig()
	if err != nil {
		log.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		log.Fatal(err)
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	answers := server{factory.Core().V1().Services().Lister(), factory.Core().V1().Endpoints().Lister()}
	factory.Core().V1().Services().Informer()
	factory.Core().V1().Endpoints().Informer()
	say(":8080")
	factory.Start(make(chan struct{}))
	factory.WaitForCacheSync(make(chan struct{}))
	say(":8181")
	log.Print("ready")
	for _, network := range []string{"tcp", "udp"} {
		go func(network string) {
			log.Fatal((&dns.Server{Addr: ":53", Net: network, Handler: answers}).ListenAndServe())
		}(network)
	}
	select {}
}
