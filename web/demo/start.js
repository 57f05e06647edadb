import { Status } from "./status.js";

const status = new Status(document.getElementById("status"));

// The package is loaded here, and not by the page itself, so that there is someone to say that it did not load.
import("./page.js").then(
  ({ open }) => open(status),
  (error) => status.failed(new Error(`The page's scripts did not load: ${error.message}`)),
);
