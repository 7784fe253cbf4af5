// The application of ../app.py on Node's Socket.IO: node server.mjs PORT
import { Server } from "socket.io";

const io = new Server(Number(process.argv[2]), { perMessageDeflate: false });

io.use((socket, next) => next(socket.handshake.auth.token === "secret" ? undefined : new Error("no token")));
io.on("connection", (socket) => {
  socket.join(["all", `user:${socket.handshake.auth.user}`]);
  socket.on("ping", (_payload, ack) => ack({ ok: true }));
  socket.on("say", (payload, ack) => {
    io.to("all").emit("said", payload);
    ack({ ok: true });
  });
  socket.on("tell", (payload, ack) => {
    io.to(`user:${payload.to}`).emit("said", payload);
    ack({ ok: true });
  });
});
