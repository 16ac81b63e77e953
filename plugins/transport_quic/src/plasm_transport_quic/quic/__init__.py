"""QUIC as libp2p has it: aioquic's protocol, trio's sockets, and certificates that prove a peer id."""
