import "uplot/dist/uPlot.min.css";
import "./style.css";
import { render } from "preact";
import { App } from "./app";
import { start } from "./live";
import { startTheme } from "./theme";

startTheme();
start();
render(<App />, document.getElementById("app")!);
